# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Eight chunks of a server's life: pauses, bad samples, a leave, a join, a reset, and ends within a chunk."""

import pytest
import torch
from support.blocks import speech

CHUNKS = 8


def run_scenario(server, model):
    """Plays it; returns (audio of every stream from its last start on, what the reference gives offline), as lists."""
    places, chunk = server.engine.batch_size, server.chunk_len
    audio = speech("llvc", places, CHUNKS * chunk + 100)
    audio[places // 2 :] *= 0.5
    pushed, received, results = {}, {}, []

    def join(place):
        stream = server.open()
        pushed[stream], received[stream] = torch.zeros(0), torch.zeros(0)
        streams[place] = stream

    def push(place, start, length):
        stream, samples = streams[place], audio[place, start : start + length]
        pushed[stream] = torch.cat((pushed[stream], samples))
        received[stream] = torch.cat((received[stream], stream.push(samples)))

    def end(place):
        stream = streams.pop(place)
        received[stream] = torch.cat((received[stream], stream.flush()))
        stream.close()
        results.append((pushed[stream], received[stream]))

    streams = {}
    for place in range(places):
        join(place)
    for k in range(CHUNKS):
        for place in list(streams):
            # The last place pauses for a chunk and gets it with the next one.
            length = {3: 0, 4: 2 * chunk}.get(k, chunk) if place == places - 1 else chunk
            push(place, (k - (length > chunk)) * chunk, length)
        server.step()
        if k == 1:  # is refused, and nobody notices
            with pytest.raises(ValueError, match="not finite"):
                streams[places - 1].push(torch.full((chunk,), torch.nan))
        if k == 2:
            push(0, 0, 70)  # leaves within a chunk, and another one joins
            end(0)
            join(0)
        if k == 5 and places > 1:  # one starts anew: not the last one, whose pause nothing would then show
            stream = streams[places - 2]
            stream.reset()
            pushed[stream], received[stream] = torch.zeros(0), torch.zeros(0)
    for place, stream in streams.items():
        push(place, 0, 30 + place)
        stream.finish()
    while server.step():
        pass
    for place in list(streams):
        end(place)

    with torch.no_grad():
        expected = [model(given[None, None])[0, 0] for given, _ in results]
    return [value for _, value in results], expected
