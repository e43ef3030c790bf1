# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

import functools

import pytest


@pytest.fixture(scope="session")
def judges_on_one_thread():
    """Where other processes are busy, threads that wait for one another cost many times what they do."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    with pytest.MonkeyPatch.context() as patch:
        whole = functools.partial(onnxruntime.InferenceSession, sess_options=options)
        patch.setattr("speechmos.dnsmos.ort", type("ort", (), {"InferenceSession": whole}))
        yield
