# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""python -m demo: the same as demo.py."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
