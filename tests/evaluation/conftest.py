# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

import functools

import pytest
from support.golden import load_golden


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


@pytest.fixture(scope="session")
def person():
    """1.13 s of a person's speech [N]: DNSMOS, which doubles it until it is 9.01 s, judges it by a single window."""
    return load_golden("llvc").arrays["audio"][:18080]
