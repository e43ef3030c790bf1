# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""How good a voice is: words, speakers and quality by recognised judges, and every target of the project on a card."""
