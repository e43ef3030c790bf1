# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""What every program's main shares: how options are refused, and how errors end it."""

import argparse
import os
import signal
import sys
import threading
from contextlib import contextmanager

from reference.errors import LLVCError, one_line

_interrupts = []  # that came since the program began


class Parser(argparse.ArgumentParser):
    """Ends the program with one line and code 2 where options are wrong."""

    def error(self, message):
        self.exit(2, f"error: {message} (--help lists the options)\n")


def count(minimum, maximum=9999):
    """The type of an option that takes a whole number."""

    def parse(text):
        if not text.isdecimal() or len(text) > 5 or not minimum <= int(text) <= maximum:
            raise argparse.ArgumentTypeError(f"{text[:20]!r} is not a whole number from {minimum} to {maximum}")
        return int(text)

    return parse


def file_path(text):
    """The type of an option that names a file or folder, as it is typed: an address is told apart."""
    if "://" in text:
        raise argparse.ArgumentTypeError(f"{text} is an address; download it first, only files are opened")
    return text


def exit_code(program, interrupted="interrupted"):
    """What program() returns, or 0; where the cause of an error lies with the user, 1 and one line on stderr.

    A reader of our output that has gone away ends the program quietly, Ctrl+C with 130.
    """
    _fill_standard_streams()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a file name may be no text
    try:
        code = _interruptible(program) or 0
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        print(interrupted, file=sys.stderr)
        return 130
    except BrokenPipeError:
        _drop_stdout()
        return 0
    except LLVCError as error:
        message = one_line(error)
    except OSError as error:
        message = one_line(f"{error.filename or 'standard output'}: {error.strerror or error}")
        if not error.filename:  # no file failed, so it is what Python would flush again
            _drop_stdout()
    except MemoryError:
        message = "not enough memory"
    print(f"error: {message}", file=sys.stderr)
    return 1


@contextmanager
def loading():
    """Around imports, while nothing is open yet: an interrupt ends the process at once.

    In the middle of their imports libraries lose it, turn it into another error, or abort.
    """
    handler = signal.getsignal(signal.SIGINT)
    if callable(handler):
        signal.signal(signal.SIGINT, _leave)
    try:
        yield
    finally:
        if callable(handler):
            signal.signal(signal.SIGINT, handler)


def _leave(*_):
    os.write(2, b"interrupted\n")
    os._exit(130)


def stop_if_interrupted():
    """Raises an interrupt (SIGINT) again that came and was lost in a library. For the loops of programs."""
    if _interrupts:
        raise KeyboardInterrupt


def _interrupt(number, _):
    _interrupts.append(number)
    raise KeyboardInterrupt


def _interruptible(program):
    """What program() returns. An error behind an interrupt is one: libraries turn it into another in their imports."""
    handler = signal.getsignal(signal.SIGINT)
    ours = handler is signal.default_int_handler and threading.current_thread() is threading.main_thread()
    if ours:
        signal.signal(signal.SIGINT, _interrupt)
    try:
        return program()
    except Exception:
        stop_if_interrupted()
        raise
    finally:
        if ours:
            signal.signal(signal.SIGINT, handler)
            _interrupts.clear()


def _fill_standard_streams():
    """Connects those that are closed to nothing: the next file opened would become one, and messages end up in it."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest that is free
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w"))


def _drop_stdout():
    """Lets what Python flushes at its end go nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
