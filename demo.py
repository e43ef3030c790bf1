# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Converts speech to the target voice: python demo.py -i in.wav -o out.wav (see --help)."""

import sys

from demo.program import exit_code, loading


def run():
    with loading():
        from demo.cli import main
    return main()


if __name__ == "__main__":
    sys.exit(exit_code(run))
