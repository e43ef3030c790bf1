# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Streams in chunks: the contract of an engine, a batch of streams on one clock, and a server of many."""
