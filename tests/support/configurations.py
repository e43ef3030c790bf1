# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Networks that nobody thought of: any options that a configuration may have, in sizes that compute quickly."""

from hypothesis import strategies as st
from support.golden import fill_by_rule

from reference.llvc import LLVC

CONNECTIONS = st.sampled_from([None, "none", "add", "multiply"])


@st.composite
def prenets(draw, most_channels=4):
    """A convnet_config."""
    count = draw(st.integers(0, 6))
    combine = draw(CONNECTIONS)
    # Only one channel can be combined with another block's.
    channels = st.just(1) if combine in ("add", "multiply") else st.integers(1, most_channels)
    return {
        "convnet_prenet": count > 0,
        "out_channels": [draw(channels) for _ in range(count - 1)] + [1] * (count > 0),
        "kernel_sizes": [draw(st.sampled_from([1, 2, 3, 5])) for _ in range(count)],
        "dilations": [draw(st.integers(1, 3)) for _ in range(count)],
        "combine_residuals": combine,
        "skip_connection": draw(CONNECTIONS),
        "use_residual_blocks": draw(st.booleans()),
    }


def _network(draw, prenet, **sizes):
    """An LLVC of these sizes and any other options, with weights by the golden vectors' rule."""
    return fill_by_rule(
        LLVC(
            **sizes,
            use_pos_enc=draw(st.booleans()),
            skip_connection=draw(st.booleans()),
            lookahead=draw(st.booleans()),
            convnet_config=draw(prenet),
        )
    )


@st.composite
def networks(draw):
    """An LLVC whose widths are multiples of 32, as a device wants them."""
    proj = draw(st.booleans())
    dec_dim = 32 * draw(st.integers(1, 3))
    return _network(
        draw,
        prenets(),
        L=draw(st.sampled_from([1, 3, 8, 13, 16, 20, 32, 33, 48])),
        enc_dim=dec_dim * (draw(st.integers(1, 3)) if proj else 1),
        num_enc_layers=draw(st.integers(1, 6)),
        dec_dim=dec_dim,
        dec_buf_len=draw(st.integers(1, 40)),
        num_dec_layers=draw(st.integers(1, 3)),
        dec_chunk_size=draw(st.integers(1, 40)),
        out_buf_len=draw(st.integers(1, 9)),
        proj=proj,
    )


@st.composite
def networks_for_fused_kernels(draw):
    """An LLVC of sizes that the fused kernels take (tt.fused.layout.wrong_shape)."""
    dec_dim = 32 * draw(st.integers(1, 8))
    chunk = draw(st.integers(1, 16))
    return _network(
        draw,
        prenets(most_channels=1),
        L=16,
        enc_dim=dec_dim * draw(st.integers(1, 512 // dec_dim)),
        num_enc_layers=draw(st.integers(1, 8)),
        dec_dim=dec_dim,
        dec_buf_len=draw(st.integers(1, 32 - chunk)),
        num_dec_layers=draw(st.integers(1, 2)),
        dec_chunk_size=chunk,
        out_buf_len=draw(st.integers(1, 8)),
    )
