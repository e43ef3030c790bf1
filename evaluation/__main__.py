# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""python -m evaluation: see evaluate.py."""

import sys

from .evaluate import main

sys.exit(main())
