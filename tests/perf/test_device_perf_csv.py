# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""What test_device_perf.py makes of the profiler's CSV, on files with its columns; and what it gives it to profile."""

import csv
import json

import pytest
from support import device_perf
from support.blocks import on_device
from support.device_perf import BLOCK, CHUNKS, COLUMNS, DURATION, LAUNCHES, SESSION, START, STOP, ProfileError

BOARDS = {"boards": {name: {"ns": {}, "measured": None} for name in ("N150", "N300")}}
# ns of the programs of a stock chunk, by block
STOCK = {"flags": [100, 50], "prenet": [1000] * 3, "encoder": [2000, 3000], "decoder": [700], "synthesis": [90, 10]}


def signpost(name):
    return {"OP CODE": name, "OP TYPE": "signpost"}


def program(ns, session=""):
    return {"OP CODE": "Matmul", "OP TYPE": "tt_dnn_device", DURATION: ns, SESSION: session}


def host(ns=""):
    return {"OP CODE": "to_torch", "OP TYPE": "python_fallback", DURATION: ns}


def launched(chunk):
    rows = []
    for block, times in STOCK.items():
        rows += [signpost(BLOCK + block), *(program(ns + chunk) for ns in times)]
    return [*rows, host(), host("-")]


def replayed(chunk):
    return [program(ns - 1, session=chunk + 7) for times in STOCK.values() for ns in times]


def alone():
    blocks = enumerate(("prenet", "encoder", "decoder", "synthesis"), start=1)
    return [row for k, name in blocks for row in (signpost(BLOCK + name), *[program(100 * k)] * CHUNKS)]


def section(rows, before=1, after=1):
    """A run: warm-up, the chunks between their signposts, what comes behind."""
    return [program(10**6)] * before + [signpost(START), *rows, signpost(STOP)] + [program(10**6)] * after


PROFILES = {
    ("stock", "launched"): section([row for chunk in range(CHUNKS) for row in launched(chunk)]),
    ("stock", "replayed"): section([row for chunk in range(CHUNKS) for row in replayed(chunk)]),
    ("fused", "replayed"): section([program(82000 + k, session=k + 1) for k in range(CHUNKS)]),
    ("fused", "launched"): section([row for _ in range(CHUNKS) for row in (host(), program(83000))]),
    ("fused", "alone"): section(alone()),
}


@pytest.fixture(scope="session")
def profilers_columns():
    from tracy.process_ops_logs import OPS_CSV_HEADER

    return OPS_CSV_HEADER


@pytest.fixture
def write(tmp_path, profilers_columns):
    def write_(rows, header=profilers_columns):
        path = tmp_path / f"ops_perf_results_{len(list(tmp_path.iterdir()))}.csv"
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, header, extrasaction="ignore")
            writer.writeheader()
            writer.writerows(rows)
        return path

    return write_


def test_the_columns_are_the_profilers(profilers_columns):
    assert set(COLUMNS) <= set(profilers_columns)


@pytest.mark.parametrize("kernels", LAUNCHES)
def test_times(write, kernels):
    figures = device_perf.measured(lambda launch: write(PROFILES[kernels, launch]), kernels)
    if kernels == "fused":
        expected = {"fused replayed chunk": 82002, "fused launched chunk": 83000}
        expected |= {"fused alone prenet": 100, "fused alone encoder": 200}
        expected |= {"fused alone decoder": 300, "fused alone synthesis": 400}
    else:
        late = (CHUNKS - 1) / 2  # launched chunk k takes k ns more for every program
        expected = {f"stock launched {b}": sum(times) + late * len(times) for b, times in STOCK.items()}
        expected |= {f"stock replayed {b}": sum(times) - len(times) for b, times in STOCK.items()}
        for launch in ("launched", "replayed"):
            expected[f"stock {launch} chunk"] = sum(v for k, v in expected.items() if k.startswith(f"stock {launch}"))
    assert figures == {f"{name} [ns]": pytest.approx(value) for name, value in expected.items()}
    lines = device_perf.table(figures, {})
    assert len(lines) == 1 + len(figures) and all("–" in line for line in lines[1:])


CHUNK = PROFILES["stock", "replayed"][2:-2]


@pytest.mark.parametrize(
    "launch, rows, said",
    [
        ("launched", [program(1)] * CHUNKS, "signpost"),
        ("launched", [signpost(START), *[program(1)] * CHUNKS], "signpost"),
        ("launched", [signpost(STOP), *[program(1)] * CHUNKS, signpost(START)], "signpost"),
        ("launched", section(section([program(1)] * CHUNKS)), "signpost"),
        ("launched", section([program(1)] * (CHUNKS + 1)), f"not those of {CHUNKS} chunks"),
        ("launched", section([host()]), "0 programs"),
        ("launched", section([signpost(BLOCK + "encoder"), *[program(1)] * 3, signpost(BLOCK + "decoder")]
                             + [program(1)] * (2 * CHUNKS - 3)), "programs of the blocks"),
        ("replayed", section([program(1)] * CHUNKS), "replays of one trace"),
        ("replayed", section([program(1, session=1)] * CHUNKS), "replays of one trace"),
        ("replayed", section([program(1, session=k // 2) for k in range(2 * CHUNKS)]), "programs a replay"),
    ],
)  # fmt: skip
def test_what_was_not_profiled_is_refused(write, launch, rows, said):
    with pytest.raises(ProfileError, match=said):
        device_perf.times_per_chunk(write(rows), launch, {"encoder": 5})


def test_another_file_is_refused(write):
    with pytest.raises(ProfileError, match=r"no column DEVICE KERNEL DURATION \[ns\].*ops_perf_results"):
        device_perf.read_section(write([], ["OP CODE", "OP TYPE", SESSION]))


@pytest.mark.parametrize("factor, ok", [(1, True), (0.971, True), (1.029, True), (0.969, False), (1.031, False)])
def test_the_margin_is_two_sided(factor, ok):
    expected = {"fused replayed chunk [ns]": 80000.0, "fused launched chunk [ns]": 81000.0}
    figures = expected | {"fused launched chunk [ns]": 81000.0 * factor}
    if ok:
        limits = device_perf.check(figures, expected)
        assert limits["Lower Threshold fused replayed chunk [ns]"] == pytest.approx(77600)
        assert limits["Upper Threshold fused replayed chunk [ns]"] == pytest.approx(82400)
    else:
        with pytest.raises(AssertionError, match="fused launched chunk"):
            device_perf.check(figures, expected)


@pytest.mark.parametrize("change", [{"fused alone encoder [ns]": 1.0}, {"fused replayed chunk [ns]": None}])
def test_figures_that_are_not_compared_are_told(change):
    expected = {"fused replayed chunk [ns]": 80000.0}
    figures = {name: value for name, value in (expected | change).items() if value}
    with pytest.raises(AssertionError, match="not the same ones.*--update"):
        device_perf.check(figures, expected)


def test_update_keeps_what_it_did_not_measure(tmp_path):
    path = tmp_path / "device_perf.json"
    path.write_text(json.dumps(BOARDS))
    assert device_perf.read_expected("N150", "fused", path) == {}
    device_perf.write_expected("N150", {"stock replayed chunk [ns]": 900000.4}, path)
    device_perf.write_expected("N150", {"fused replayed chunk [ns]": 82000.6}, path)
    device_perf.write_expected("N150", {"fused replayed chunk [ns]": 82001.0}, path)
    assert device_perf.read_expected("N150", "fused", path) == {"fused replayed chunk [ns]": 82001}
    assert device_perf.read_expected("N150", "stock", path) == {"stock replayed chunk [ns]": 900000}
    assert "ttnn" in json.loads(path.read_text())["boards"]["N150"]["measured"]
    assert device_perf.read_expected("N300", "fused", path) == {}
    with pytest.raises(ProfileError, match="no board P150"):
        device_perf.read_expected("P150", "fused", path)


def test_what_is_expected_today():
    """Nothing is made up: a board has figures only with the date on which they were measured."""
    boards = json.loads(device_perf.EXPECTED.read_text())["boards"]
    assert set(boards) == {"N150", "N300"}
    assert all(bool(board["ns"]) == bool(board["measured"]) for board in boards.values())


@on_device
@pytest.mark.parametrize("kernels, launch", [(k, launch) for k, launches in LAUNCHES.items() for launch in launches])
def test_what_is_profiled(device, rung, kernels, launch, monkeypatch, ttnn):
    """Chunks in mid-stream alone stand between the signposts: CHUNKS replays, or their programs, block after block."""
    from support import golden_ops

    if rung != "mock":
        pytest.skip("counts calls; test_device_perf.py runs the same on a card")
    golden_ops.keep_no_values()
    events = []
    for name in ("execute_trace", "generic_op", "ReadDeviceProfiler"):
        original = getattr(ttnn, name)

        def recorded(*args, name=name, original=original, **kwargs):
            events.append(name)
            return None if name == "ReadDeviceProfiler" else original(*args, **kwargs)

        monkeypatch.setattr(ttnn, name, recorded)
    device_perf.run_chunks(device, kernels, launch, events.append)
    start, stop = events.index(START), events.index(STOP)
    assert events[start - 1] == "ReadDeviceProfiler" and events[stop + 1] == "ReadDeviceProfiler"
    blocks = list(dict.fromkeys(device_perf.STOCK_BLOCKS.values()))
    between = {
        ("fused", "replayed"): ["execute_trace"] * CHUNKS,
        ("stock", "replayed"): ["execute_trace"] * CHUNKS,
        ("fused", "launched"): ["generic_op"] * CHUNKS,
        ("fused", "alone"): [e for b in blocks[1:] for e in (BLOCK + b, *["generic_op"] * CHUNKS)],
        ("stock", "launched"): [BLOCK + b for b in [blocks[0], *blocks]] * CHUNKS,
    }[kernels, launch]
    assert events[start + 1 : stop] == between
    before = device_perf.WARM_UP[kernels]
    assert (
        events[:start].count("execute_trace" if launch == "replayed" else "generic_op") >= before or kernels == "stock"
    )
