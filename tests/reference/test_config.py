# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Every field of a configuration is checked, alone and together."""

import json
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
from support.golden import load_params

from reference.config import ConfigError, ConvNetConfig, LLVCConfig, load_config

EXPERIMENTS = Path(__file__).resolve().parents[2] / "experiments"
PUBLISHED = json.loads((EXPERIMENTS / "llvc" / "config.json").read_text())


def test_defaults():
    """They are those of the published network's class, which the golden vectors of readme_defaults were made with."""
    params = load_params("readme_defaults")
    config = LLVCConfig(convnet_config=params["convnet_config"])
    assert config == LLVCConfig.from_params(params)
    assert config.use_pos_enc and config.skip_connection and config.proj and config.lookahead
    prenet = ConvNetConfig(convnet_prenet=False)
    assert prenet.use_residual_blocks and prenet.skip_connection == "add" and prenet.combine_residuals is None


def test_none_is_null():
    written = ConvNetConfig(convnet_prenet=False, combine_residuals="none", skip_connection="none")
    assert written == ConvNetConfig(convnet_prenet=False, combine_residuals=None, skip_connection=None)


def test_how_far_the_blocks_of_a_prenet_look_back():
    prenet = dict(convnet_prenet=True, out_channels=[1, 1, 1], kernel_sizes=[5, 1, 4], dilations=[3, 7, 1])
    assert ConvNetConfig(**prenet).contexts == [12, 0, 3]
    assert ConvNetConfig(**{**prenet, "convnet_prenet": False}).contexts == []


@pytest.mark.parametrize("name, prenet", [("llvc", True), ("llvc_nc", False)])
def test_published_configurations(name, prenet):
    config, sample_rate = load_config(EXPERIMENTS / name / "config.json")
    assert sample_rate == 16000
    assert (config.L, config.enc_dim, config.dec_dim, config.chunk_len, config.lookahead_len) == (16, 512, 256, 208, 16)
    assert config.convnet_config.convnet_prenet is prenet


@pytest.mark.parametrize(
    "change, message",
    [
        ({"L": 0}, "L must be an integer"),
        ({"L": 16.0}, "L must be an integer"),
        ({"L": True}, "L must be an integer"),
        ({"enc_dim": 500}, "enc_dim must be a multiple of dec_dim"),
        ({"enc_dim": -512}, "enc_dim must be an integer"),
        ({"num_enc_layers": 0}, "num_enc_layers must be"),
        ({"num_enc_layers": 17}, "num_enc_layers must be at most"),
        ({"dec_dim": 250}, "dec_dim must be a multiple"),
        ({"enc_dim": 500, "dec_dim": 20}, "dec_dim must be a multiple"),  # of 4
        ({"dec_buf_len": 0}, "dec_buf_len must be"),
        ({"num_dec_layers": "1"}, "num_dec_layers must be"),
        ({"dec_chunk_size": 0}, "dec_chunk_size must be"),
        ({"dec_chunk_size": 188}, "dec_buf_len \\+ dec_chunk_size must be at most 200"),
        ({"out_buf_len": 0}, "out_buf_len must be"),
        ({"use_pos_enc": 1}, "use_pos_enc must be true or false"),
        ({"skip_connection": "add"}, "skip_connection must be true or false"),
        ({"proj": False}, "without proj, enc_dim and dec_dim must be equal"),
        ({"lookahead": None}, "lookahead must be true or false"),
        ({"decoder_dropout": 1.0}, "decoder_dropout must be a probability"),
        ({"label_len": 2}, "label_len must be 1"),
        ({"decoder_dropout": -0.001}, "decoder_dropout must be a probability"),
        ({"decoder_dropout": True}, "decoder_dropout must be a probability"),
        ({"decoder_dropout": "0.1"}, "decoder_dropout must be a probability"),
        ({"enc_dim": 2**40}, "enc_dim must be an integer from 1 to 8192"),
        ({"L": 8193}, "L must be an integer from 1 to 8192"),
        ({"chunk": 3}, "has no option 'chunk'"),
        ({"convnet_config": None}, "convnet_config must be a table"),
    ],
)
def test_wrong_model_params(change, message):
    with pytest.raises(ConfigError, match=message):
        LLVCConfig.from_params({**deepcopy(PUBLISHED["model_params"]), **change})


@pytest.mark.parametrize(
    "change",
    [
        {"L": 8192},
        {"L": 1},
        {"num_enc_layers": 16},
        {"num_dec_layers": 8192},
        {"enc_dim": 8192, "dec_dim": 8192},
        {"enc_dim": 256, "proj": False},
        {"dec_chunk_size": 187},  # with dec_buf_len, as many as there are positions
        {"dec_chunk_size": 188, "use_pos_enc": False},
        {"decoder_dropout": 0},
        {"decoder_dropout": 0.999},
    ],
)
def test_the_last_good_values(change):
    config = LLVCConfig.from_params({**deepcopy(PUBLISHED["model_params"]), **change})
    assert all(getattr(config, name) == value for name, value in change.items())


def test_lengths_in_samples():
    params = {**deepcopy(PUBLISHED["model_params"]), "L": 10, "dec_chunk_size": 7}
    config = LLVCConfig.from_params(params)
    assert (config.chunk_len, config.lookahead_len) == (70, 10)
    assert LLVCConfig.from_params({**params, "lookahead": False}).lookahead_len == 0


@pytest.mark.parametrize(
    "change, message",
    [
        ({"convnet_prenet": "yes"}, "convnet_prenet must be true or false"),
        ({"use_residual_blocks": 0}, "use_residual_blocks must be true or false"),
        ({"kernel_sizes": [3]}, "one entry per prenet block"),
        ({"out_channels": [], "kernel_sizes": [], "dilations": []}, "one entry per prenet block"),
        ({"dilations": [0] * 12}, "dilations must be a list of integers from 1"),
        ({"kernel_sizes": 3}, "kernel_sizes must be a list"),
        ({"out_channels": [1] * 10 + [3, 2]}, r"last of out_channels must be 1 \(audio\), not 2"),
        ({"dropout": -0.1}, "dropout must be a probability"),
        ({"dropout": False}, "dropout must be a probability"),
        ({"dilations": [1] * 8193}, "dilations must be a list of integers from 1"),
        ({"combine_residuals": "concat"}, "combine_residuals must be"),
        ({"skip_connection": "minus"}, "skip_connection must be"),
        ({"combine_residuals": "add", "out_channels": [4] * 11 + [1]}, "cannot join the 4 channels that enter"),
        ({"pool": 2}, "convnet_config has no option 'pool'"),
    ],
)
def test_wrong_prenet(change, message):
    params = deepcopy(PUBLISHED["model_params"])
    params["convnet_config"].update(change)
    with pytest.raises(ConfigError, match=message):
        LLVCConfig.from_params(params)


def test_numbers_of_numpy():
    params = deepcopy(PUBLISHED["model_params"])
    expected = LLVCConfig.from_params(deepcopy(params))
    params |= {"L": np.int64(16), "enc_dim": np.int32(512)}
    params["convnet_config"]["kernel_sizes"] = [np.int64(k) for k in params["convnet_config"]["kernel_sizes"]]
    config = LLVCConfig.from_params(params)
    assert config == expected and type(config.L) is int and type(config.convnet_config.kernel_sizes[0]) is int


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + json.dumps(PUBLISHED).encode(),  # a byte-order mark
        json.dumps(PUBLISHED).replace("16000", "16000.0").encode(),
        json.dumps(PUBLISHED).replace('"L": 16', '"L": 16.0').replace("512", "5.12e2").encode(),
    ],
)
def test_files_as_other_programs_write_them(tmp_path, content):
    (tmp_path / "config.json").write_bytes(content)
    assert load_config(tmp_path / "config.json") == load_config(EXPERIMENTS / "llvc" / "config.json")


def test_missing_options():
    params = deepcopy(PUBLISHED["model_params"])
    del params["convnet_config"]
    with pytest.raises(ConfigError, match="missing .*convnet_config"):
        LLVCConfig.from_params(params)


@pytest.mark.parametrize(
    "text, message",
    [
        ("{", "not a JSON file"),
        ("\xff", "not a JSON file"),
        ("[" * 100000, "not a JSON file"),
        ("1" * 5000, "not a JSON file"),
        ('{"model_params": {}, "data": {"sr": 100000000000000000000}}', "has no sample rate"),
        ("[]", "has no 'model_params'"),
        ('{"model_params": {}}', "has no sample rate"),
        ('{"model_params": {}, "data": {"sr": "16k"}}', "has no sample rate"),
        ('{"model_params": {}, "data": {"sr": 16000.5}}', "has no sample rate"),
        ('{"model_params": {}, "data": {"sr": 0}}', "has no sample rate"),
        ('{"model_params": {}, "data": {"sr": -1}}', "has no sample rate"),
        ('{"model_params": {}, "data": {"sr": 768001}}', "has no sample rate"),
        ('{"model_params": {}, "data": {"sr": true}}', "has no sample rate"),
        ('{"model_params": {}, "data": [16000]}', "has no sample rate"),
        ('{"model_params": 3, "data": {"sr": 16000}}', "model_params must be a table"),
        ('{"model_params": {"L": 0, "convnet_config": {"convnet_prenet": false}}, "data": {"sr": 16000}}', "L must be"),
    ],
)
def test_files_that_are_no_configuration(tmp_path, text, message):
    path = tmp_path / "config.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(ConfigError, match=message) as error:
        load_config(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("sample_rate", [1, 768000])
def test_the_last_good_sample_rates(tmp_path, sample_rate):
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**PUBLISHED, "data": {"sr": sample_rate}}))
    assert load_config(path)[1] == sample_rate


def test_no_file(tmp_path):
    with pytest.raises(ConfigError, match="no such configuration file"):
        load_config(tmp_path / "config.json")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path)
