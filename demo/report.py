# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""What came of a run of demo.py: told while it goes on, printed at its end, and as figures in a file."""

import sys
from datetime import datetime, timezone

import torch
from tqdm import tqdm

from audio.recording import AudioError, as_error
from reference.errors import one_line

LISTED = 20  # files left out that are named


class Results:
    """The results of a Plan: `done` has the figures of each file, `failed` what went wrong with others.

    `streaming` has the figures of all streams at a time, if there were several.
    """

    def __init__(self, plan):
        self.plan, self.done, self.failed, self.streaming = plan, [], [], None
        for path, reason in plan.unreadable:
            self.fail(path, AudioError(f"{path}: {reason}"))

    def add(self, figures):
        """A file was converted, with these figures."""
        self.done.append(figures)
        if "damage" in figures:
            name = figures["input"]
            self.fail(name, AudioError(f"{name}: {figures['damage']}; converted up to there"))
        if self.plan.is_folder:
            for note in figures["notes"]:
                tqdm.write(f"note: {note}", file=sys.stderr)

    def fail(self, source, error):
        """A file was not converted, or not all of it."""
        message = one_line(as_error(error, source))
        self.failed.append({"input": str(source), "error": message})
        tqdm.write(f"error: {message}", file=sys.stderr)

    def figures(self, backend, sample_rate):
        """All figures, as a file has them."""
        order = {str(source): index for index, (source, _) in enumerate(self.plan.pairs)}
        return {
            "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "backend": backend.name,
            "device": backend.device,
            "torch": torch.__version__,
            "sample_rate": sample_rate,
            "streaming": self.streaming,
            "files": sorted(self.done, key=lambda figures: order[figures["input"]]),
            "failed": self.failed,
            "left_out": [{"path": str(path), "reason": reason} for path, reason in self.plan.left_out],
        }

    def lines(self, output):
        """What is printed at the end; `output` is where the results of a folder went."""
        if self.plan.is_folder:
            seconds = sum(figures["seconds"] for figures in self.done)
            lines = stream_lines(self.streaming) if self.streaming else []
            lines.append(f"converted {len(self.done)} of {len(self.plan.pairs)} files, {seconds:.1f} s of audio")
            return [*lines, f"written: {output}"]
        if not self.done:
            return []
        lines = stream_lines(self.streaming) if self.streaming else file_lines(self.done[0])
        return [*lines, f"written: {self.plan.pairs[0][1]}"]


def left_out_lines(left_out):
    """What (path, why) of a folder is not converted, the first of it by name."""
    lines = [f"left out: {path} ({reason})" for path, reason in left_out[:LISTED]]
    if len(left_out) > LISTED:
        lines.append(f"left out: {len(left_out) - LISTED} more")
    return lines


def file_lines(figures):
    """The figures of one file (Converter.convert)."""
    if "streaming" in figures:
        lines = stream_lines(figures["streaming"])
    else:
        f = figures["offline"]
        lines = [
            f"offline: {figures['seconds']:.2f} s of audio in {f['compute_s']:.2f} s, RTF {f['rtf']:.3f} "
            f"(compute / audio, lower is faster), {f['times_real_time']:.1f} x real time"
        ]
    lines += [f"note: {note}" for note in figures["notes"]]
    if figures["clipped_samples"]:
        lines.append(f"clipping: {figures['clipped_samples']} samples reached full scale")
    return lines


def stream_lines(f):
    """The figures of a stream, or of many at a time (convert.stream_figures, convert.convert_jobs)."""
    lines = []
    if "streams" in f:
        lines.append(
            f"{f['streams']} streams            {f['seconds']:.2f} s of audio in {f['elapsed_s']:.2f} s, "
            f"{f['aggregate_times_real_time']:.1f} x real time in aggregate"
        )
    if f["preparation"]:
        steps = "  ".join(f"{name.removesuffix('_s')} {value:.2f}" for name, value in f["preparation"].items())
        lines.append(f"preparation          {steps} s")
    lines.append(f"chunk                {f['chunk_ms']:.1f} ms ({f['chunks']} timed)")
    lines.append(
        f"algorithmic latency  {f['algorithmic_latency_ms']:.1f} ms (chunk + 2L as in the paper; a sample waits "
        f"{f['longest_wait_ms']:.1f} ms at most)"
    )
    if f["first_chunk_ms"] is not None:
        lines.append(f"first chunk          {f['first_chunk_ms']:.2f} ms of compute")
    if f["compute_ms"] is None:
        return [*lines, "compute per chunk    not measured: the audio is shorter than two chunks"]
    values = "  ".join(f"{name} {value:.2f}" for name, value in f["compute_ms"].items())
    return [
        *lines,
        f"compute per chunk    {values} ms",
        f"end-to-end latency   {f['latency_ms']:.1f} ms (algorithmic + mean compute)",
        f"RTF                  {f['rtf']:.3f} (compute / audio, lower is faster), "
        f"{f['times_real_time']:.1f} x real time (what the paper calls RTF)",
    ]
