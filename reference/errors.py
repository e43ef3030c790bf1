# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""The base of every error whose cause and cure lie with the user."""

import sys
from pathlib import Path

GROUPS = Path(__file__).resolve().parent.parent / "pyproject.toml"


class LLVCError(ValueError):
    """One line that says what is wrong and what to do; programs print it without a traceback."""


def one_line(error):
    """An error's text on one line, its type where it has none."""
    return " ".join(str(error).splitlines()) or type(error).__name__


def not_installed(error, purpose):
    """What to do about an ImportError: install the dependency group of that name in pyproject.toml."""
    what = f"{error.name} is not installed" if isinstance(error, ModuleNotFoundError) else one_line(error)
    if not GROUPS.exists():  # inside tt-metal, whose environment has what the network needs
        return what
    commands = [f"{sys.executable} -m pip install --group {GROUPS}:{purpose}"]
    if purpose == "evaluation":
        commands.append(f"{sys.executable} -m pip install --no-deps --group {GROUPS}:evaluation-nodeps")
    return f"{what}; run: make {purpose}, or without its virtual environment (pip 25.1): {' && '.join(commands)}"
