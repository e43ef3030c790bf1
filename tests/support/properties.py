# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""How property tests draw their cases: a plugin that pyproject.toml has pytest load."""

from hypothesis import HealthCheck, Phase, settings

# The network's speed is not the property under test; the same examples every time keep CI reproducible.
settings.register_profile(
    "llvc", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
# A mutant need only be noticed, not explained.
settings.register_profile("mutants", settings.get_profile("llvc"), phases=(Phase.explicit, Phase.reuse, Phase.generate))
settings.load_profile("llvc")
