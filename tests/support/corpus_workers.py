# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Workers that misbehave. They run in Ray's processes, which find this module by PYTHONPATH."""

import os
import signal
import sys
import time

from corpus.job import ItemJob
from corpus.pipeline import RayConverter


class SlowConverter(RayConverter):
    """Takes its time, so that there is something to interrupt."""

    def advance(self, seconds):
        time.sleep(0.1)
        super().advance(seconds)


class StillbornConverter(RayConverter):
    """Dies of whatever it is given, before any file, as for want of memory."""

    def convert(self, unit):
        os.kill(os.getpid(), signal.SIGKILL)


class FragileConverter(RayConverter):
    """Dies, as by a fault in a decoder, of every file whose name has `poison` in it."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        read = ItemJob.read

        def read_or_die(job, count):
            samples = read(job, count)
            if "poison" in job.item.source.name:
                os.kill(os.getpid(), signal.SIGKILL)
            return samples

        ItemJob.read = read_or_die


def main(argv):
    """The program with SlowConverter, for a process of its own."""
    from support.corpus_workers import SlowConverter  # Ray's workers find it there, not in __main__

    import corpus.pipeline
    from corpus.__main__ import main

    corpus.pipeline.RayConverter = SlowConverter
    return main(argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
