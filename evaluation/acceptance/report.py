# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""The table of targets, the page, and rows for docs/PERF.md and docs/VALIDATION.md."""

import html

from audio.files import replacing

from ..report import PAGE, cells
from .targets import judged

HEAD = ("target", "wanted", "measured", "", "best public TTNN version")


def rows(results):
    """The table's cells, a tuple for each target."""
    lines = []
    for target, value, verdict in judged(results):
        shown = "–" if value is None else target.form.format(value) + (f" {target.unit}" if target.unit else "")
        lines.append((target.name, target.wanted, shown, verdict, target.public or "–"))
    return lines


def statuses(results, steps):
    """A line for each step: what became of it, and why."""
    lines = []
    for step in steps:
        result = results.get(step)
        if result is None:
            lines.append(f"{step}: not run")
        else:
            why = f": {result['why']}" if result.get("why") else ""
            lines.append(f"{step}: {result['status']} in {result['seconds']:.0f} s, {result['date']}{why}")
    return lines


def text_table(results):
    """The table for a terminal."""
    lines = [HEAD, *rows(results)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]


def write(folder, results, steps, where):
    """Writes acceptance.html, PERF.md and VALIDATION.md into a folder."""
    head = "".join(f"<th>{name}</th>" for name in HEAD)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows(results))
    items = "".join(f"<li>{html.escape(line)}</li>" for line in statuses(results, steps))
    parts = ["<h1>Acceptance</h1>", f"<p>{html.escape(where)}</p>", f"<table><tr>{head}</tr>{body}</table>"]
    parts += ["<h2>Steps</h2>", f"<ul>{items}</ul>"]
    if results.get("evaluation", {}).get("status") == "done":
        parts.append('<p><a href="evaluation/report.html">The evaluation, utterance by utterance</a></p>')
    for name, content in {
        "acceptance.html": PAGE.format(body="\n".join(parts)),
        "PERF.md": "\n".join(perf_rows(results, where)) + "\n",
        "VALIDATION.md": "\n".join(validation_rows(results, where)) + "\n",
    }.items():
        with replacing(folder / name) as temporary:
            temporary.write_text(content, encoding="utf-8")


def _done(results, step):
    result = results.get(step, {})
    return result["figures"] if result.get("status") == "done" else {}


def perf_rows(results, where):
    """Rows of the table "Measured on a card" (or a CPU) of docs/PERF.md."""
    lines = []
    for speed in _done(results, "perf").get("speeds", []):
        origin = _origin(results, "perf", where)
        lines.append(_perf_row(speed["board"], speed["setting"], speed["n"], speed["B"], speed, origin))
    for name, found in _done(results, "demo").items():
        if found.get("compute_ms"):
            n = round(found["chunk_ms"] / 13)
            origin = _origin(results, "demo", where)
            lines.append(_perf_row(found["device"], f"demo, {name}", n, found.get("streams", 1), found, origin))
    return lines


def _origin(results, step, where):
    """The day of a step, and what it ran on."""
    return f"{results[step]['date'][:10]}, {where}"


def _perf_row(board, setting, n, batch_size, found, origin):
    times = found["compute_ms"]
    spread = ", ".join(f"{times[name]:.2f}" for name in ("mean", "p50", "p95", "p99", "max"))
    columns = (board, setting, n, batch_size, f"{found['rtf']:.3f}", spread, f"{times['jitter']:.2f}")
    columns += (f"{found['latency_ms']:.1f}", f"{found['tokens_per_s']:.0f}", origin)
    return "| " + " | ".join(map(str, columns)) + " |"


def validation_rows(results, where):
    """Rows of the table of the evaluation in docs/VALIDATION.md, and of the tests."""
    lines = []
    if tests := _done(results, "pcc"):
        worst = "–" if tests["worst_pcc"] is None else f"{tests['worst_pcc']:.6f}"
        count = f"{tests['passed']} passed, {len(tests['failed'])} failed, {tests['skipped']} skipped"
        lines.append(f"| tests/pcc | {count} | worst PCC {worst} | {_origin(results, 'pcc', where)} |")
    evaluation = _done(results, "evaluation")
    for name in ("offline", "stream n=1", "stream n=2"):
        if name in evaluation:
            lines.append("| " + " | ".join((f"{evaluation['device']}, {name}", *cells(evaluation[name]))) + " |")
    return lines
