# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Recordings in and out: any file, pipe or device that FFmpeg reads, and what is said of its damage."""
