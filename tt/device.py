# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""What the network needs of a device."""

# A trace of the network of stock kernels takes 0.8 MB: room for some forty of them.
TRACE_REGION_BYTES = 32 * 2**20

# Of a core's L1 for tensors and buffers; what is left, 91,136 bytes instead of 70,656, is for the kernels' code. The
# fused ones took up to 89,184 with the compiler at hand; another compiler's code is of another size.
WORKER_L1_BYTES = 1_372_832

# Parameters of ttnn.open_device or ttnn.open_mesh_device.
DEVICE_PARAMS = {
    "l1_small_size": 32768,
    "worker_l1_size": WORKER_L1_BYTES,
    "trace_region_size": TRACE_REGION_BYTES,
    "num_command_queues": 2,
}
