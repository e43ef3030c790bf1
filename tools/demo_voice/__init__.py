# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""What tools/train_demo_voice.py is made of: the target voice, the training speech and the training itself."""
