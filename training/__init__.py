# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Training a voice: its target, pairs of recordings, and the run on them. docs/TRAINING.md says how."""
