# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""make mutants, on a module of two lines whose mutants are known."""

import os
import subprocess

import pytest

pytestmark = pytest.mark.slow

SIGN = "def positive(x):\n    return x > 0\n"
OPPOSITE = "\n\ndef opposite(x):\n    return -x\n"
TESTS = "from sign import positive\n\n\ndef test():\n    assert positive(1) and not positive(-1)\n"
# Stands for hypothesis, which takes longer to load than all else.
CONFTEST = "def pytest_addoption(parser):\n    parser.addoption('--hypothesis-profile', choices=['mutants'])\n"
LIVING = {("return x > 0", "return x >= 0"), ("return x > 0", "return x > -1")}  # of SIGN: zero is never tried


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A function that writes files, commits and tags; a repository of sign.py and its test is there."""
    monkeypatch.chdir(tmp_path)  # the tool goes elsewhere and comes back
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "A")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "a@example.com")

    def write(tag=None, **files):
        for name, text in files.items():
            (tmp_path / name.replace("__", ".")).write_text(text)
        if tag:
            for command in (["add", "."], ["commit", "-qm", tag], ["tag", tag]):
                subprocess.run(["git", *command], check=True)

    subprocess.run(["git", "init", "-q"], check=True)
    write(
        "v1",
        sign__py=SIGN,
        test_sign__py=TESTS,
        conftest__py=CONFTEST,
        modules__toml='[tests]\n"sign.py" = "test_sign.py"\n',
        equivalents__toml="",
    )
    return write


@pytest.fixture
def mutants(repository, tmp_path, capsys):
    """A function that runs the tool: (code, lines before and after mutants that live, all it printed, its errors)."""
    from tools.mutants.__main__ import main

    def run(*options):
        code = main(options, root=tmp_path, settings=tmp_path)
        assert os.getcwd() == str(tmp_path)
        out, err = capsys.readouterr()
        before, after = ([line[4:] for line in out.splitlines() if line.startswith(sign)] for sign in ("  - ", "  + "))
        return code, list(zip(before, after, strict=True)), out, err

    return run


def equivalent(old, new, reason):
    return f"[[equivalent]]\nfile = 'sign.py'\nold = '{old}'\nnew = '{new}'\nreason = '{reason}'\n"


def test_those_that_no_test_notices_are_printed_but_for_accepted_ones(mutants, repository):
    accepted, other = sorted(LIVING)
    repository(equivalents__toml=equivalent(*accepted, "never asked of zero"))
    code, living, out, _ = mutants("sign.py")
    assert code == 1 and living == [other]
    assert out.count("lives: sign.py:2\n") == 1
    assert out.splitlines()[-1].split() == ["sign.py", "5", "1", "1", "0", "83%"]  # == != < <= and x > 1 are killed


def test_only_what_changed_since_the_tag(mutants, repository):
    code, _, out, _ = mutants()
    assert code == 0 and out == "nothing to mutate since v1\n"
    repository("v2", sign__py=SIGN + OPPOSITE)
    code, living, out, _ = mutants("--since", "v1")
    assert code == 1 and {before for before, _ in living} == {"return -x"} and len(living) == 4
    assert out.splitlines()[-1].split() == ["sign.py", "0", "4", "0", "0", "0%"]


def test_what_the_time_is_too_short_for_is_counted(mutants):
    _, living, out, _ = mutants("sign.py", "--minutes", "0")
    assert not living and out.splitlines()[-1].split() == ["sign.py", "0", "0", "0", "7", "–"]


@pytest.mark.parametrize(
    "options, files, error",
    [
        (["other.py"], {}, "other.py: no such module; name it from the root of the repository"),
        (["conftest.py"], {}, "conftest.py: modules.toml lists no tests of it"),
        (["sign.py"], {"test_sign__py": TESTS + "    assert False\n"}, "pytest test_sign.py: fails without a mutant"),
        (
            ["sign.py"],
            {"equivalents__toml": equivalent("return x > 9", "return x", "gone")},
            "equivalents.toml: sign.py has no line 'return x > 9' any more; remove it",
        ),
        (
            ["sign.py"],
            {"equivalents__toml": equivalent("return x > 0", "return x", "")},
            "equivalents.toml: 'return x > 0' has no reason",
        ),
    ],
)
def test_what_keeps_it_from_trying_is_one_line(mutants, repository, options, files, error):
    repository(**files)
    code, _, _, err = mutants(*options)
    assert code == 2 and err.startswith(f"error: {error}") and err.count("\n") == 1


def test_this_repository_s_lists_are_up_to_date():
    """Accepted lines stand where they stood; modules and their tests are there."""
    import toml

    from tools.mutants.__main__ import HERE, ROOT, check_equivalents

    check_equivalents(toml.load(HERE / "equivalents.toml")["equivalent"], ROOT)
    for pattern, command in toml.load(HERE / "modules.toml")["tests"].items():
        assert any(ROOT.glob(pattern)), pattern
        for path in command.partition(" -k ")[0].split():
            assert (ROOT / path).exists(), f"{pattern}: {path}"
