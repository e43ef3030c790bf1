# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""What is asked of the model, and what became of it."""

import operator
from dataclasses import dataclass

MET, MISSED, UNMEASURED = "met", "missed", "not measured"

# The best public figures of a TTNN version of this network on the same set-up.
PUBLIC = {
    "rtf n=1": "0.404",
    "rtf n=2": "0.220",
    "latency n=2": "33.7",
    "similarity": "90.4",
    "wer": "1.23",
    "dnsmos": "3.33",
    "token accuracy": "99.55",
}


@dataclass(frozen=True)
class Target:
    """A figure that has to be below or above a limit; without one it is only shown."""

    name: str
    figure: str  # a key of what `figures` returns
    unit: str
    below: float | None = None
    above: float | None = None
    public: str = ""
    form: str = "{:.3g}"

    @property
    def wanted(self):
        if self.below is None and self.above is None:
            return "–"
        return f"< {self.below:g}" if self.above is None else f"> {self.above:g}"

    def verdict(self, value):
        if value is None:
            return UNMEASURED
        if self.wanted == "–":
            return ""
        compare, limit = (operator.lt, self.below) if self.above is None else (operator.gt, self.above)
        return MET if compare(value, limit) else MISSED


def _twice(name, figure, unit, limits, above=False, public=""):
    return [Target(name, figure, unit, **{"above" if above else "below": limit}, public=public) for limit in limits]


TARGETS = [
    *_twice("tokens/s, one stream, n = 1", "tokens n=1", "", (50, 100), above=True),
    *_twice("RTF, n = 1", "rtf n=1", "", (0.3, 0.1), public=PUBLIC["rtf n=1"]),
    *_twice("RTF, n = 2", "rtf n=2", "", (0.3, 0.1), public=PUBLIC["rtf n=2"]),
    *_twice("latency, n = 1, p99", "latency n=1", "ms", (100, 50)),
    *_twice("latency, n = 2, p99", "latency n=2", "ms", (100, 50), public=PUBLIC["latency n=2"]),
    Target("RTF of 10 streams at a time, n = 1", "rtf 10 streams", "", below=1.0),
    Target("speaker similarity", "similarity", "%", above=70, public=PUBLIC["similarity"], form="{:.1f}"),
    Target("WER", "wer", "%", below=3.0, public=PUBLIC["wer"], form="{:.2f}"),
    Target("token accuracy", "token accuracy", "%", above=95, public=PUBLIC["token accuracy"], form="{:.2f}"),
    Target("DNSMOS", "dnsmos", "", public=PUBLIC["dnsmos"], form="{:.2f}"),
    Target("DNSMOS of the source speech", "dnsmos source", "", form="{:.2f}"),
    Target("WER of the recogniser on the source speech", "wer source", "%", form="{:.2f}"),
    Target("worst PCC of the tests on the device", "pcc", "", above=0.999, form="{:.6f}"),
]


def figures(results):
    """{figure of a Target: value or None} of the steps' results."""

    def of(step, *path):
        value = results.get(step, {}).get("figures")
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        return value

    values = {}
    for n in (1, 2):
        stream = of("demo", f"stream n={n}") or {}
        values[f"rtf n={n}"] = stream.get("rtf")
        p99, own = (stream.get("compute_ms") or {}).get("p99"), stream.get("algorithmic_latency_ms")
        values[f"latency n={n}"] = own + p99 if p99 is not None and own is not None else None
    values["tokens n=1"] = of("demo", "stream n=1", "tokens_per_s")
    values["rtf 10 streams"] = of("demo", "10 streams, latency", "rtf")
    summary = of("evaluation", "stream n=1") or {}
    values |= {
        "similarity": summary.get("similarity_target"),
        "wer": summary.get("wer_text"),
        "token accuracy": summary.get("token_accuracy"),
        "dnsmos": summary.get("dnsmos"),
        "dnsmos source": of("evaluation", "source", "dnsmos"),
        "wer source": of("evaluation", "source", "wer_text"),
        "pcc": of("pcc", "worst_pcc"),
    }
    return values


def judged(results):
    """[(Target, value or None, verdict)]."""
    values = figures(results)
    return [(target, values[target.figure], target.verdict(values[target.figure])) for target in TARGETS]
