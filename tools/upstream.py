# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Writes the part of the project that goes into tt-metal: python tools/upstream.py TT_METAL [--experimental]

The network, its engines and streams, a demo that reads and writes by soundfile, and the tests of these; imports as
tt-metal's own models have them, under models/demos/audio/llvc, or under models/experimental/llvc, where new models
start. Everything else stays here. Then it prints what goes into tt-metal's registries (ci/tt-metal/README.md says how).
"""

import argparse
import ast
import re
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
REGISTRIES = ROOT / "ci" / "tt-metal"
OWN = REGISTRIES / "files"  # what is other upstream than here

PLACE, EXPERIMENTAL = "models/demos/audio/llvc", "models/experimental/llvc"
PACKAGES = ("reference", "streaming", "tt", "experiments")
FILES = ("ttnn_llvc.py", "conftest.py", "tests/conftest.py")
DEMO = ("backend", "convert", "program")  # of demo/, with what these import of it
TESTS = ("reference", "streaming", "pcc", "perf", "support", "golden")
# Tests of what stays here though they import none of it.
STAYS = (
    "tests/reference/test_rung3.py",
    "tests/perf/test_cost_model.py",
)
HEADER = "# SPDX-FileCopyrightText: © 2026 Tenstorrent USA, Inc.\n\n# SPDX-License-Identifier: Apache-2.0\n"
OUR_HEADER = re.compile(r"# SPDX-FileCopyrightText: .*\n#\n# SPDX-License-Identifier: Apache-2.0\n")
OUR_CPP_HEADER = re.compile(r"// SPDX-FileCopyrightText: .*\n")
RAISES = re.compile(r"^(.*\bpytest\.raises\(.*)$", re.MULTILINE)
LARGEST = 500 * 1024  # bytes of a file, of tt-metal's check-large-files

TOPS = {**dict.fromkeys(("reference", "streaming", "tt", "demo", "ttnn_llvc"), ""), "support": "tests."}
# Not in tt-metal's environment, or not in the part that goes.
MISSING = {"audio", "live", "corpus", "evaluation", "training", "tools", "hypothesis"}


@cache
def imported(source):
    """Names of the modules that a file imports, wherever it does: `import a.b`, `from a import b` as a and a.b."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def demo_modules():
    """The names of DEMO and of what they import from beside them."""
    names, waiting = {"__init__"}, [*DEMO]
    while waiting:
        names.add(name := waiting.pop())
        for node in ast.walk(ast.parse((ROOT / "demo" / f"{name}.py").read_text())):
            if isinstance(node, ast.ImportFrom) and node.level:
                modules = [node.module] if node.module else [alias.name for alias in node.names]
                waiting += {*modules} - names
    return names


def chosen():
    """({path in the folder there: the file here} of all that goes, the tests that stay)."""
    files = {str(path.relative_to(OWN)): path for path in OWN.rglob("*") if path.suffix in (".py", ".md", ".txt")}
    try:
        listed = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):
        raise SystemExit(f"error: git says which files are the project's, and {ROOT} is no clone") from None
    tracked = listed.splitlines()
    demo = demo_modules()
    wanted = {*FILES, *(f"demo/{name}.py" for name in demo)}
    files |= {name: ROOT / name for name in tracked if name in wanted or name.split("/")[0] in PACKAGES}
    tests = [name for name in tracked if re.match(rf"tests/({'|'.join(TESTS)})/", name)]
    sources = {name: (ROOT / name).read_text() for name in tests if name.endswith(".py")}
    stays = set(STAYS)
    while more := {name for name, source in sources.items() if name not in stays and _needs_more(source, stays, demo)}:
        stays |= more  # and then what imports these
    stays |= _unused(sources, stays, [path.read_text() for name, path in files.items() if name.endswith(".py")])
    return files | {name: ROOT / name for name in tests if name not in stays}, sorted(stays)


def _unused(sources, stays, others):
    """Modules of tests/support that nothing which goes imports: neither a test, nor another file, given as text."""
    support = {f"support.{Path(name).stem}": name for name in sources if name.startswith("tests/support/")}
    waiting = others + [sources[name] for name in sources.keys() - stays - {*support.values()}]
    used = set()
    while waiting:
        more = support.keys() & imported(waiting.pop()) - used
        used |= more
        waiting += [sources[support[module]] for module in more]
    return {name for module, name in support.items() if module not in used}


def _needs_more(source, stays, demo):
    """Whether a test imports what does not go."""
    gone = {name.removeprefix("tests/").removesuffix(".py").replace("/", ".") for name in stays}
    for module in imported(source):
        top, _, name = module.partition(".")
        if top in MISSING or module in gone or top == "demo" and name and name.split(".")[0] not in demo:
            return True
    return False


def moved(source, package):
    """A Python file with absolute imports from the package (models.demos.audio.llvc) and tt-metal's conventions."""
    prefix = f"{package}."

    def there(module):
        top = module.partition(".")[0]
        return f"{prefix}{TOPS[top]}{module}" if top in TOPS else module

    lines = source.splitlines(keepends=True)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and not node.level:
            old, new = f"from {node.module} import", f"from {there(node.module)} import"
            lines[node.lineno - 1] = lines[node.lineno - 1].replace(old, new, 1)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.partition(".")[0] in TOPS:
                    raise SystemExit(f"error: import {alias.name}: write from ... import, which can be moved")
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "setattr" and node.args:
            target = node.args[0]  # monkeypatch.setattr("streaming.engine.MAX_SAMPLE", ...)
            if isinstance(target, ast.Constant) and isinstance(target.value, str):
                line = lines[target.lineno - 1]
                lines[target.lineno - 1] = line.replace(f'"{target.value}"', f'"{there(target.value)}"', 1)
    return OUR_HEADER.sub(HEADER, "".join(lines), count=1)


def expecting(source):
    """A file of tests that has errors expected by tt-metal's fixture: pytest.raises(E, match=m) is expect_error(E, m).

    What is no test has no fixtures, and says so.
    """
    edits = {}  # (line, columns from and to, in bytes): text
    for test in ast.parse(source).body:
        if not isinstance(test, ast.FunctionDef) or not test.name.startswith("test"):
            continue
        calls = [
            node for node in ast.walk(test) if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.raises"
        ]
        for call in calls:
            edits[call.func.lineno, call.func.col_offset, call.func.end_col_offset] = "expect_error"
            if call.keywords:
                (match,) = call.keywords
                edits[match.lineno, match.col_offset, match.value.col_offset] = ""
            else:
                (error,) = call.args
                edits[error.end_lineno, error.end_col_offset, error.end_col_offset] = ', ""'
        if calls:
            last = test.args.args[-1:]
            line, column = (
                (last[0].end_lineno, last[0].end_col_offset) if last else (test.lineno, len(f"def {test.name}("))
            )
            edits[line, column, column] = ", expect_error" if last else "expect_error"
    lines = source.encode().splitlines(keepends=True)
    for (line, begin, end), text in sorted(edits.items(), reverse=True):
        lines[line - 1] = lines[line - 1][:begin] + text.encode() + lines[line - 1][end:]
    return RAISES.sub(r"\1  # allow-pytest.raises: no test, so without fixtures", b"".join(lines).decode())


def absolute(source, folder, package):
    """A Python file in `folder` of the project ("tt/fused") with its relative imports made absolute."""
    lines = source.splitlines(keepends=True)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.level:
            parts = [part for part in folder.split("/") if part]
            parent = parts[: len(parts) - (node.level - 1)]
            module = ".".join([package, *parent, *filter(None, [node.module])])
            old = f"from {'.' * node.level}{node.module or ''} import"
            lines[node.lineno - 1] = lines[node.lineno - 1].replace(old, f"from {module} import", 1)
    return "".join(lines)


def write(tt_metal, place=PLACE):
    """Writes into a checkout, in place of an older copy; returns the folder and the tests that stay."""
    folder = tt_metal / place
    if folder.exists() and not (folder / "ttnn_llvc.py").is_file():
        raise SystemExit(f"error: {folder} is there and is no copy of this project; move it away")
    files, stays = chosen()
    with tempfile.TemporaryDirectory(prefix=".llvc-", dir=tt_metal) as temporary:
        written = Path(temporary, "llvc")
        _write(files, written, place)
        if folder.exists():
            shutil.rmtree(folder)
        folder.parent.mkdir(parents=True, exist_ok=True)
        written.rename(folder)
    return folder, stays


def _write(files, folder, place):
    """Writes {path in the folder: the file here} as for `place`."""
    package = place.replace("/", ".")
    for name, path in files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix not in (".py", ".h", ".cpp", ".md"):
            shutil.copyfile(path, target)
            continue
        text = path.read_text()
        if name.endswith(".py"):
            text = moved(absolute(text, str(Path(name).parent).strip("."), package), package)
        if name.startswith("tests/") and name.endswith(".py"):
            text = expecting(text)
        text = OUR_CPP_HEADER.sub("// SPDX-FileCopyrightText: © 2026 Tenstorrent USA, Inc.\n", text, count=1)
        target.write_text(text.replace(PLACE, place) if name.endswith(".md") else text)
    _format(folder)
    large = [str(path) for path in folder.rglob("*") if path.is_file() and path.stat().st_size > LARGEST]
    if large:
        raise SystemExit(f"error: larger than tt-metal takes: {', '.join(large)}")


def _format(folder):
    """Unused imports out, the others sorted, lines as black has them."""
    options = ["--no-cache", "--isolated", "--line-length", "120", "--quiet", str(folder)]
    first = 'lint.isort.known-first-party=["models","ttnn"]'
    for command in (["check", "--select", "I,F401", "--fix", "--config", first], ["format"]):
        subprocess.run([sys.executable, "-m", "ruff", *command, *options], check=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("tt_metal", type=Path, metavar="TT_METAL", help="a checkout of tt-metal")
    parser.add_argument("--experimental", action="store_true", help=f"into {EXPERIMENTAL} instead of {PLACE}")
    args = parser.parse_args()
    if not (args.tt_metal / "tt_metal").is_dir() or not (args.tt_metal / "models").is_dir():
        parser.exit(1, f"error: {args.tt_metal} is no checkout of tt-metal (it has no tt_metal/ and models/)\n")
    if find_spec("ruff") is None:
        parser.exit(1, "error: ruff, which formats the files, is not installed; run: make setup\n")
    place = EXPERIMENTAL if args.experimental else PLACE
    folder, stays = write(args.tt_metal, place)
    print(f"written: {folder}\ntests that stay here, since they need what does: {', '.join(stays)}\n")
    for entry in sorted(REGISTRIES.iterdir()):
        if entry.is_file() and entry.name != "README.md":
            print(entry.read_text().replace(PLACE, place))


if __name__ == "__main__":
    main()
