# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Measures every target on the card that is there, in one go: python -m evaluation.acceptance

Downloads the published voice (39 MB) and LibriSpeech test-clean (346 MB), runs the tests and the demo on the card and
the evaluation, and prints a table: each target, its measured value, met or missed. What was done is kept: run it again
to go on. A step that cannot run says why, and the rest goes on.
"""

import argparse
import json
import sys
import time
from datetime import datetime, timezone
from pathlib import Path

from audio.files import replacing
from demo.backend import has_card
from demo.program import Parser, count, exit_code
from reference.errors import LLVCError, one_line

from ..judges import RECOGNISERS
from .report import statuses, text_table, write
from .steps import STEPS, Acceptance, CannotRun, is_done, is_of_other_weights, weights_in
from .targets import MISSED, UNMEASURED, judged

ALL_MET, NOT_ALL_MET = 0, 3  # exit codes; 1 is for errors, 2 for wrong options


class AcceptanceError(LLVCError):
    """A folder that this run cannot use."""


def parse_args(argv=None):
    """Parses the command line; ends the program with one line and code 2 if it is wrong."""
    parser = Parser(
        prog="python -m evaluation.acceptance",
        description=__doc__.splitlines()[0],
        epilog="Exit codes: 0 all targets met, 3 some missed or not measured, 1 an error, 2 wrong options.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--backend", choices=("auto", "cpu", "ttnn"), default="auto", help="cpu does all that needs no card")
    add(
        "--only", choices=STEPS, action="append", metavar="STEP", help=f"run this step alone, again: {', '.join(STEPS)}"
    )
    add("--output", type=Path, default=Path("acceptance"), metavar="FOLDER", help="results, kept from run to run")
    add("--corpus", type=Path, metavar="FOLDER", help="where LibriSpeech is or goes, instead of the output folder")
    add("--target", type=Path, metavar="FOLDER", help="speech of the target voice, instead of a download of it")
    add("--recogniser", choices=RECOGNISERS, default="whisper-small.en", help="what counts the words")
    add("--utterances", type=count(1), default=50, metavar="N", help="how many of the fixed list")
    args = parser.parse_args(argv)
    if args.backend == "auto":
        args.backend = "ttnn" if has_card() else "cpu"
        print(f"backend: {args.backend}" + ("" if args.backend == "ttnn" else " (no Tenstorrent card found)"))
    args.corpus = args.corpus or args.output / "corpus"
    return args


def read_results(args):
    """Results of earlier runs into the same folder. AcceptanceError if they are of other options, or not readable."""
    path = args.output / "acceptance.json"
    if not path.exists():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        options, results = content["options"], dict(content["steps"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AcceptanceError(
            f"{path}: cannot be read ({one_line(error)}); remove it or name another --output"
        ) from None
    if options != _options(args):
        ours = _shown(_options(args))
        raise AcceptanceError(f"{path}: holds results with {_shown(options)}, not {ours}; name another --output")
    return results


def _options(args):
    """What results depend on."""
    target = str(args.target) if args.target else None
    return {"backend": args.backend, "utterances": args.utterances, "recogniser": args.recogniser, "target": target}


def _shown(options):
    return ", ".join(f"--{name} {value}" for name, value in options.items() if value is not None)


def run(args):
    """Runs the steps that are not done; returns the exit code."""
    results = read_results(args)
    args.output.mkdir(parents=True, exist_ok=True)
    acceptance = Acceptance(args, results)
    for step in args.only or STEPS:
        if not args.only and is_done(step, results):
            print(f"{step}: done before")
            continue
        print(f"{step}: {getattr(Acceptance, step).__doc__}", flush=True)
        results[step] = attempt(getattr(acceptance, step)) | {"weights": weights_in(results)}
        if results[step]["status"] != "done":
            print(f"{step}: {results[step]['status']}: {results[step]['why']}", file=sys.stderr)
        keep(args, results)
    results = {step: result for step, result in results.items() if not is_of_other_weights(step, results)}
    where = provenance(args, results)
    write(args.output, results, STEPS, where)
    print("\n".join(["", where, "", *text_table(results), "", *statuses(results, STEPS)]))
    print(f"written: {args.output / 'acceptance.html'}, acceptance.json, PERF.md, VALIDATION.md")
    verdicts = {verdict for _, _, verdict in judged(results)}
    return NOT_ALL_MET if verdicts & {MISSED, UNMEASURED} else ALL_MET


def attempt(step):
    """The result of a step: its figures, or why there are none."""
    start = time.monotonic()
    try:
        result = {"status": "done", "figures": step()}
    except CannotRun as error:
        result = {"status": "cannot run", "why": one_line(error)}
    except Exception as error:
        result = {"status": "failed", "why": one_line(error)}  # whatever it is, the other steps are not lost
    date = datetime.now(timezone.utc).isoformat(timespec="seconds")
    return result | {"seconds": time.monotonic() - start, "date": date}


def keep(args, results):
    """Writes what was done so far."""
    content = {"options": _options(args), "steps": results}
    with replacing(args.output / "acceptance.json") as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def provenance(args, results):
    """What it ran on, in a line."""
    card = results.get("card", {}).get("figures")
    if card is None:
        return f"backend {args.backend}"
    firmware = ", ".join(sorted({str(one["fw_bundle_ver"]) for one in card["cards"]}))
    return f"{card['board']}, firmware {firmware}, driver {card['driver']}, ttnn {card['ttnn']}"


def main(argv=None):
    """Runs with these arguments, the command line's by default; returns the exit code."""
    interrupted = "interrupted; what was done is kept, run this again to go on"
    return exit_code(lambda: run(parse_args(argv)), interrupted)


if __name__ == "__main__":
    sys.exit(main())
