# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Corpora: what a folder, manifest or table holds, its conversion by actors of Ray, and the manifest of the results."""
