# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""The base of every error whose cause and cure lie with the user."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


class LLVCError(ValueError):
    """One line that says what is wrong and what to do; programs print it without a traceback."""


def one_line(error):
    """An error's text on one line, its type where it has none."""
    return " ".join(str(error).splitlines()) or type(error).__name__


def not_installed(error, purpose):
    """What to do about an ImportError: install requirements-<purpose>.txt."""
    steps = [f"-r requirements-{purpose}.txt"]
    nodeps = ROOT / f"requirements-{purpose}-nodeps.txt"
    if nodeps.exists():
        steps.append(f"--no-deps -r {nodeps.name}")
    commands = " && ".join(f"{sys.executable} -m pip install {step}" for step in steps)
    what = f"{error.name} is not installed" if isinstance(error, ModuleNotFoundError) else one_line(error)
    return f"{what}; run: make {purpose}, or without its virtual environment: {commands}"
