# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""python -m evaluation for the TTNN modules on ttnn's mock device: their algebra and rounding, without a card.

    python tools/evaluate_golden.py --input FOLDER --target FOLDER

Takes its options. Values come from golden functions (tests/support/golden_ops.py), no kernel runs, and times are those
of the host: no result of a device, and the report says so.
"""

import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from support import mock_device  # noqa: E402

from demo.backend import Backend  # noqa: E402
from evaluation.evaluate import main  # noqa: E402


@contextmanager
def open_golden(name, model, device_id):
    """The backend of a mock N150, whatever the options name."""
    import ttnn
    from support import golden_ops

    from ttnn_llvc import DEVICE_PARAMS, TtLLVC

    device = ttnn.open_device(device_id=0, **DEVICE_PARAMS)
    golden_ops.install(device, DEVICE_PARAMS["num_command_queues"])
    try:
        network = TtLLVC.from_reference(device, model)
        where = "mock N150, no kernel runs"
        yield Backend("ttnn by golden functions", where, network.engine, network.offline_chunk_factor, "latency")
    finally:
        golden_ops.uninstall()
        ttnn.close_device(device)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="llvc_mock_") as folder:
        mock_device.set_up(folder)  # before anything imports ttnn
        sys.exit(main(open_backend=open_golden))
