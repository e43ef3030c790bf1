# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""The engine of the PyTorch network."""

import torch
from torch.nn import functional as F

from .engine import ChunkEngine


class TorchEngine(ChunkEngine):
    """The PyTorch network. The prenet sees each sample once: windows overlap behind it, where the published script
    lets them overlap in front.

    chunk_factor times the decoder's window (13 ms in the published network) is converted at a time.
    """

    def __init__(self, model, chunk_factor=1, batch_size=1):
        self._modules, self._weights = list(model.modules()), list(model.named_parameters())
        self._check_model()
        super().__init__(model.config, chunk_factor, batch_size)
        self._model = model
        self._audio = None
        self.restart(self.all_streams)

    def _check_model(self):
        """ValueError for a network in training mode, or in half or double precision."""
        if any(module.training for module in self._modules):
            raise ValueError("the network is in training mode; call model.eval() first")
        for name, value in self._weights:
            if value.dtype != torch.float32:
                raise ValueError(f"the network is in {value.dtype} ({name}); call model.float() first")

    @torch.inference_mode()
    def restart(self, streams):
        self._label = self._model.label_embedding()  # constant, until someone changes the weights
        if len(streams) == self.batch_size:
            buffers = self._model.init_buffers(self.batch_size)
            prenet_ctx = self._model.init_prenet_ctx(self.batch_size)
            overlap = torch.zeros(self.batch_size, 1, 2 * self.lookahead_len)  # of windows, behind the prenet
            self._state = [*buffers, prenet_ctx, overlap]
            self._fresh = torch.ones(self.batch_size, dtype=torch.bool)
        else:
            for state in self._state:
                state[streams] = 0
            self._fresh[streams] = True

    def _submit(self, streams, samples, frames):
        self._check_model()  # may have been changed since
        counts = sorted(set(frames.tolist()))
        if len(counts) == 1:
            self._audio = self._convert(streams, samples, counts[0])
            return
        self._audio = torch.zeros(len(samples), self.chunk_len)
        for count in counts:  # streams that end with this chunk have fewer frames than the others
            chosen = frames == count
            audio = self._convert([streams[s] for s in chosen.nonzero()], samples[chosen], count)
            self._audio[chosen, : audio.shape[1]] = audio

    def _collect(self):
        return self._audio

    def _abandon(self):
        self._audio = None

    @torch.inference_mode()
    def _convert(self, streams, samples, frames):
        streams = slice(None) if len(streams) == self.batch_size else streams  # of all of them, state is not copied
        *buffers, prenet_ctx, overlap = (state[streams] for state in self._state)
        samples = samples[:, None, : frames * self.frame_len + self.lookahead_len]
        fresh = self._fresh[streams]
        if self.lookahead_len and fresh.any():
            # As offline, silence as long as the lookahead precedes a stream's first sample.
            head = F.pad(samples[fresh, :, : self.lookahead_len], (self.lookahead_len, 0))
            overlap[fresh], prenet_ctx[fresh] = self._model.prenet(head, prenet_ctx[fresh])
        self._fresh[streams] = False

        window, prenet_ctx = self._model.prenet(samples[..., self.lookahead_len :], prenet_ctx)
        window = torch.cat((overlap, window), dim=-1)
        audio, *buffers = self._model.convert(window, self._label, *buffers)
        overlap = window[..., window.shape[-1] - 2 * self.lookahead_len :]
        state = [*buffers, prenet_ctx, overlap]
        if streams == slice(None):
            self._state = state
        else:
            for kept, new in zip(self._state, state, strict=True):
                kept[streams] = new
        return audio[:, 0]

    def close(self):
        self._state = self._label = self._fresh = self._audio = None
