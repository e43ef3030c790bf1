# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""One chunk by the fused kernels that lie in another folder, in a process of its own: its peak on stdout."""

import sys
from pathlib import Path

if __name__ == "__main__":
    import ttnn
    from support.blocks import golden, speech

    from tt.fused import program
    from ttnn_llvc import DEVICE_PARAMS, TtLLVC

    program.KERNELS = Path(sys.argv[1])
    device = ttnn.open_device(device_id=0, **DEVICE_PARAMS)
    with TtLLVC.from_reference(device, golden("llvc").model, "fused").stream() as stream:
        print("peak", float(stream.push(speech("llvc", 1, 300)).abs().max()))
    ttnn.close_device(device)
