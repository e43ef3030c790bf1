# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Downloads the published LLVC checkpoints (arXiv 2311.00873) from the Hugging Face repository KoeAI/llvc.

    python -m demo.download_weights          # all three
    python -m demo.download_weights llvc     # only the one that the demo uses

A file gets its name when its sha256 was checked. HF_ENDPOINT names a mirror of huggingface.co.
"""

import os
import sys
import tempfile
from pathlib import Path

from audio.files import sha256_of
from reference.errors import LLVCError, one_line

from .program import Parser, exit_code, file_path

REPO_ID = "KoeAI/llvc"
LOCAL_DIR = "llvc_models"
CHECKPOINT_PATH = "models/checkpoints/{name}/G_500000.pth"  # in the repository, and in local_dir
CHECKPOINTS = {  # name: sha256
    "llvc": "cceb7ab9621f84d62d283725ae3281cacb04f762d6a088fe3e97c1a29d4b8c0e",
    "llvc_hfg": "ca046f9a77b36ebfe473923503c5a69260af67f8a1dac317483f2e00ae28e4ed",
    "llvc_nc": "0e034098420b7bec24298b5473423c56d69dfa29546b08b212fc883688a9ae35",
}


class DownloadError(LLVCError):
    """A checkpoint could not be downloaded, or is not the published one."""


def download(name, local_dir=LOCAL_DIR):
    """Downloads one checkpoint, a key of CHECKPOINTS, into a folder, or finds it there already; returns its path.

    A broken connection is taken up again. DownloadError for one that stays broken, an error of the server or of the
    disk, or a wrong sha256; nothing new is in the folder then, and a file that was there is never changed.
    """
    path, expected = CHECKPOINT_PATH.format(name=name), CHECKPOINTS[name]
    target = Path(local_dir, path)
    try:
        if target.exists():
            if (actual := sha256_of(target)) != expected:
                raise DownloadError(
                    f"{target} is there, but is not the published checkpoint (sha256 {actual}, expected {expected}); "
                    "move it away and run this again"
                )
            print(f"{name}: already there: {target}")
            return target
        Path(local_dir).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".download-", dir=local_dir) as staging:
            downloaded = _fetch(name, path, staging, target)
            if (actual := sha256_of(downloaded)) != expected:
                raise DownloadError(
                    f"{target}: the downloaded file has sha256 {actual}, expected {expected}; it was removed, run this "
                    "again"
                )
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(downloaded, target)
    except OSError as error:
        raise DownloadError(f"{target}: {one_line(error)}") from error
    print(f"{name}: downloaded and checked: {target}")
    return target


def _fetch(name, path, folder, target):
    """The path, in a folder, of a file that is fetched from the repository."""
    from huggingface_hub import hf_hub_download, hf_hub_url, logging  # takes a while to import
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    url = hf_hub_url(REPO_ID, path)
    print(f"{name}: fetching {url}")
    logging.set_verbosity_error()  # it tells of each of its attempts
    try:
        return hf_hub_download(REPO_ID, path, local_dir=folder, cache_dir=folder)
    except Exception as error:  # of several transports, which name neither a proxy nor a missing package alike
        if isinstance(error, LocalEntryNotFoundError) and error.__cause__:  # it could not ask, which is the cause
            error = error.__cause__
        by_hand = f"or fetch {url} by hand to {target}"
        if isinstance(error, HfHubHTTPError):
            status = error.response.status_code
            remedy = "Log in with: hf auth login" if status in (401, 403) else "Try again later"
            raise DownloadError(f"{name}: the server answered {status}. {remedy}, {by_hand}") from error
        if isinstance(error, OSError) and error.errno is not None and not isinstance(error, ConnectionError):
            raise  # of the disk
        raise DownloadError(
            f"{name}: no connection ({one_line(error)}). Check the network, HTTPS_PROXY, ALL_PROXY and HF_ENDPOINT and "
            f"run this again, {by_hand}"
        ) from error


def main(argv=None):
    """Downloads with these arguments, the command line's by default; returns the exit code."""
    parser = Parser(
        prog="python -m demo.download_weights",
        description="Download the published LLVC checkpoints from huggingface.co/KoeAI/llvc and check them. "
        "Files that are there already are kept.",
    )
    names = ", ".join(CHECKPOINTS)
    parser.add_argument("names", nargs="*", metavar="name", help=f"which to fetch, of {names} (default: all)")
    parser.add_argument("--local_dir", type=file_path, default=LOCAL_DIR, help="folder to put them in (%(default)s)")
    args = parser.parse_args(argv)
    # Not `choices`: before Python 3.12 argparse rejects an empty list of names with it.
    for name in args.names:
        if name not in CHECKPOINTS:
            parser.error(f"{name}: no such checkpoint; choose from {names}")

    def run():
        for name in args.names or CHECKPOINTS:
            download(name, args.local_dir)

    return exit_code(run, interrupted="interrupted; files that are complete are kept, run this again for the rest")


if __name__ == "__main__":
    sys.exit(main())
