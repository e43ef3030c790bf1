# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""The engine on ONNX Runtime: every stream a step and a state of its own, so that none waits for another's."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnxruntime
import torch

from reference.fold import fold
from streaming.engine import ChunkEngine

from .onnx_graph import build, histories, past_samples

# A history is written on through a buffer of about this many frames before its last rows move to the front.
RUN_FRAMES = 208


class OnnxEngine(ChunkEngine):
    """A reference LLVC on ONNX Runtime, exact to 1e-5 of the peak.

    Up to `threads` streams are converted at a time, a thread each; a batch of one takes them all.
    """

    def __init__(self, model, chunk_factor=1, batch_size=1, threads=1):
        super().__init__(model.config, chunk_factor, batch_size)
        threads = int(threads)
        workers = min(threads, self.batch_size)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads // workers
        options.inter_op_num_threads = 1
        graph = build(fold(model), model.config, self.chunk_factor)
        session = onnxruntime.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])
        self._streams = [_Stream(session, model.config, self.chunk_factor) for _ in range(self.batch_size)]
        self._pool = ThreadPoolExecutor(workers) if workers > 1 else None
        self._audio = None

    def restart(self, streams):
        for b in streams:
            self._streams[b].restart()

    def _submit(self, streams, samples, frames):
        run = self._pool.map if self._pool else map
        chosen = [self._streams[b] for b in streams]
        audio = list(run(_Stream.step, chosen, samples.numpy(), frames.tolist()))
        self._audio = torch.from_numpy(np.stack(audio))

    def _collect(self):
        return self._audio

    def _abandon(self):
        self._audio = None

    def close(self):
        if self._pool:
            self._pool.shutdown()
        self._streams = self._audio = None


class _Run:
    """A history [rows, width] in a buffer that `steps` steps append to in place; then its end becomes its beginning."""

    def __init__(self, rows, added, behind, width, steps):
        self.rows, self.added, self.behind = rows, added, behind
        self.buffer = np.zeros((rows + steps * added + behind, *width), np.float32)

    def past(self, step):
        return self.buffer[step * self.added :][: self.rows]

    def new(self, step):
        return self.buffer[self.rows + step * self.added :][: self.added]

    def window(self, step):
        return self.buffer[step * self.added :][: self.rows + self.added + self.behind]

    def wrap(self):
        self.buffer[: self.rows] = self.buffer[len(self.buffer) - self.behind - self.rows :][: self.rows].copy()


class _Stream:
    """The state of one stream, and its memory bound to the session's inputs and outputs, once for every step."""

    def __init__(self, session, config, chunk_factor):
        frames = chunk_factor * config.dec_chunk_size
        chunk_len, lookahead, past = frames * config.L, config.lookahead_len, past_samples(config)
        self._steps = max(1, RUN_FRAMES // frames)
        self._session, self._first_begun = session, past - lookahead
        self._histories = [_Run(h.rows, frames, 0, (h.width,), self._steps) for h in histories(config)]
        self._samples, self._begun = (_Run(past, chunk_len, lookahead, (), self._steps) for _ in range(2))
        self._valid = np.zeros((frames, 1), np.float32)
        self._audio = np.zeros((frames, config.L), np.float32)
        taken = {value.name for value in session.get_inputs()}
        self._bindings = []
        for step in range(self._steps):
            inputs = {"window": self._samples.window(step)[None, None], "valid": self._valid}
            if "begun" in taken:
                inputs["begun"] = self._begun.window(step)[None, None]
            outputs = {"audio": self._audio}
            for history, run in zip(histories(config), self._histories, strict=True):
                inputs[history.name], outputs[f"{history.name}_new"] = run.past(step), run.new(step)
            binding = session.io_binding()
            for bind, arrays in ((binding.bind_input, inputs), (binding.bind_output, outputs)):
                for name, array in arrays.items():
                    bind(name, "cpu", 0, np.float32, array.shape, array.ctypes.data)
            self._bindings.append(binding)
        self.restart()

    @property
    def runs(self):
        return [*self._histories, self._samples, self._begun]

    def restart(self):
        """The next chunk is the first."""
        self._step = 0
        for run in (*self._histories, self._samples):
            run.past(0)[:] = 0
        self._begun.buffer[:] = 1
        self._begun.buffer[: self._first_begun] = 0

    def step(self, samples, frames):
        """Converts a chunk and its lookahead, of which `frames` frames are there; returns the audio [chunk_len]."""
        if self._step == self._steps:
            for run in self.runs:
                run.wrap()
            self._step = 0
        self._samples.window(self._step)[self._samples.rows :] = samples
        self._valid[:frames], self._valid[frames:] = 1, 0
        self._session.run_with_iobinding(self._bindings[self._step])
        self._step += 1
        return self._audio.flatten()
