# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""The actor that converts corpora, on a device, and on both chips of an N300 as streams that share its chunks."""

from support.blocks import golden, on_device
from support.corpus_on_device import convert_corpus


@on_device
def test_one_file_at_a_time(device, tmp_path, make_network):
    convert_corpus(make_network(device, golden("llvc").model), tmp_path, 1)


@on_device
def test_files_at_a_time_on_both_chips(mesh_device, tmp_path, make_network):
    convert_corpus(make_network(mesh_device, golden("llvc").model), tmp_path, 4)
