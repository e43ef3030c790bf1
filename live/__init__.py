# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""The live voice: a server for streams over WebSockets, its page, and a client. docs/PROTOCOL.md says how they talk."""
