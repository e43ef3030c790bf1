# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""What goes through a stream, and what has to come out of it."""

import torch
from support.golden import golden

from streaming.stream import ChunkedStream


def speech(name, batch_size, length):
    """Real speech, different in each stream: [B, length]."""
    audio = torch.from_numpy(golden(name).arrays["audio"])
    return torch.stack([audio.roll(-1600 * b)[:length] * (1 - 0.1 * b) for b in range(batch_size)])


def offline(model, audio):
    """What the reference makes of samples [B, N] in one go."""
    with torch.no_grad():
        return model(audio[:, None])[:, 0]


def stream(engine, model, audio, slices, chunk_factor=1):
    """What comes of samples [B, N] that an engine is given in these slices."""
    with ChunkedStream(engine(model, chunk_factor=chunk_factor, batch_size=audio.shape[0])) as s:
        return torch.cat([s.push(piece) for piece in audio.split(slices, dim=1)] + [s.flush()], dim=1)


def restarted(server, audio, reset_at):
    """What comes of the streams of a server, the last of which starts anew on the way: a list of [k]."""
    with server:
        streams = [server.open() for _ in audio]
        parts = [[stream.push(samples[:reset_at])] for stream, samples in zip(streams, audio, strict=True)]
        streams[-1].reset()
        for stream, samples, received in zip(streams, audio, parts, strict=True):
            received.append(stream.push(samples[reset_at:]))
        for stream, received in zip(streams, parts, strict=True):
            received.append(stream.flush())
        return [torch.cat(received) for received in parts]
