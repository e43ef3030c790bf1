# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Download the published LLVC checkpoints (arXiv 2311.00873) from the Hugging Face repository KoeAI/llvc.

    python -m demo.download_weights          # all three
    python -m demo.download_weights llvc     # only the one that the demo uses

Each file is fetched into `<local_dir>/.download`, its sha256 is checked, and only then it gets its final name.
An interrupted download continues where it stopped. HF_ENDPOINT names a mirror of huggingface.co.
"""

from __future__ import annotations

import hashlib
import os
import sys
from contextlib import suppress
from pathlib import Path

from httpx2 import InvalidURL
from huggingface_hub import constants
from huggingface_hub.errors import HfHubHTTPError, HTTPError
from huggingface_hub.file_download import get_hf_file_metadata, hf_hub_url, http_get
from huggingface_hub.utils import WeakFileLock, build_hf_headers

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
CHUNK_BYTES = 256 * 1024


class DownloadError(LLVCError):
    """A checkpoint could not be downloaded, or is not the published one."""


def file_sha256(path: Path) -> str:
    """Return the sha256 of the file `path` as lower-case hex; raise OSError if it cannot be read."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _fetch(url: str, part: Path, size: int | None, name: str) -> None:
    """Append to `part` what it still lacks of the file at `url`."""
    # huggingface_hub writes whole chunks of 10 MiB: a break would lose up to one, and the bar would stand still.
    constants.DOWNLOAD_CHUNK_SIZE = CHUNK_BYTES
    with part.open("ab") as file:
        if size is not None and file.tell() > size:
            file.seek(0)
            file.truncate()
        while True:
            start = file.tell()
            try:
                # hf_hub_download deletes its partial file when it fails; http_get, which it calls, can continue one.
                return http_get(
                    url,
                    file,
                    resume_size=start,
                    headers=build_hf_headers(),
                    expected_size=size,
                    displayed_filename=name,
                )
            except HTTPError as error:
                # http_get continues after a closed connection or a timeout, but not after a reset.
                if isinstance(error, HfHubHTTPError) or file.tell() == start:
                    raise


def download(name: str, local_dir: str | Path = LOCAL_DIR) -> Path:
    """Download one checkpoint, or find it already there, and check its sha256.

    Args:
        name: a key of `CHECKPOINTS`.
        local_dir: the folder in which the file gets the path that it has in the repository.

    Returns:
        The path of the checked file.

    Raises:
        DownloadError: no connection, an error of the server or of the disk, or a wrong sha256. A file that was
            already there is never changed. A partial download stays for the next call, one with a wrong sha256 does
            not.
    """
    path, expected = CHECKPOINT_PATH.format(name=name), CHECKPOINTS[name]
    target, staging = Path(local_dir, path), Path(local_dir, ".download")
    part, lock = staging / f"{name}.part", staging / "lock"
    url = hf_hub_url(REPO_ID, path)
    by_hand = f"or fetch {url} by hand to {target}"
    try:
        if target.exists():
            if (actual := file_sha256(target)) != expected:
                raise DownloadError(
                    f"{target} is there, but is not the published checkpoint (sha256 {actual}, expected {expected}); "
                    "move it away and run this again"
                )
            print(f"{name}: already there: {target}")
            return target
        size = get_hf_file_metadata(url).size
        staging.mkdir(parents=True, exist_ok=True)
        with WeakFileLock(lock, timeout=1):
            try:
                _fetch(url, part, size, name)
                if (actual := file_sha256(part)) != expected:
                    part.unlink()
                    raise DownloadError(
                        f"{target}: the downloaded file has sha256 {actual}, expected {expected}; it was removed. "
                        f"Run this again, {by_hand}"
                    )
                target.parent.mkdir(parents=True, exist_ok=True)
                os.replace(part, target)
            finally:
                lock.unlink(missing_ok=True)
                with suppress(OSError):  # not empty: partial downloads stay
                    staging.rmdir()
    except HfHubHTTPError as error:
        status = error.response.status_code
        raise DownloadError(f"{name}: the server answered {status}. Try again later, {by_hand}") from error
    except (ImportError, InvalidURL, ValueError) as error:
        if isinstance(error, LLVCError):
            raise
        raise DownloadError(
            f"{name}: the proxy or address cannot be used ({one_line(error)}). Check HTTPS_PROXY, ALL_PROXY and "
            f"HF_ENDPOINT, {by_hand}"
        ) from error
    except HTTPError as error:
        reason = one_line(error)
        raise DownloadError(
            f"{name}: no connection ({reason}). Check the network, run this again to continue, {by_hand}"
        ) from error
    except TimeoutError as error:
        raise DownloadError(f"{name}: another download into {local_dir} is running; wait until it ends") from error
    except OSError as error:
        raise DownloadError(f"{target}: {one_line(error)}") from error
    print(f"{name}: downloaded and checked: {target}")
    return target


def main(argv: list[str] | None = None) -> int:
    """Run the program with the arguments `argv` (default: the command line's); return its exit code."""
    parser = Parser(
        prog="python -m demo.download_weights",
        description="Download the published LLVC checkpoints from huggingface.co/KoeAI/llvc and check them. "
        "Files that are there already are kept; an interrupted download continues when you run this again.",
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

    return exit_code(run, interrupted="interrupted; what was fetched is kept, run this again to continue")


if __name__ == "__main__":
    sys.exit(main())
