# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Converts speech to the target voice: python demo.py -i in.wav -o out.wav (see --help)."""

import sys

if __name__ == "__main__":
    try:
        from demo.cli import main

        sys.exit(main())
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
