# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""python -m evaluation.acceptance: on a machine with a card, every target with what was measured, met or missed."""
