# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

import pytest
from support.engines import ENGINES


@pytest.fixture(scope="session", params=ENGINES.values(), ids=ENGINES.keys())
def engine(request):
    """The class of an engine: every test that takes it runs with each of them."""
    return request.param
