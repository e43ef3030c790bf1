# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""What can be wrong with a network or with streams on a device."""

from reference.errors import LLVCError


class UnsupportedOption(LLVCError):
    """A configuration that the reference computes and the device does not."""


class DeviceMemoryError(LLVCError):
    """Streams that do not fit into the device's memory."""
