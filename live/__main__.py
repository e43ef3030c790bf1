# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Live voice conversion from microphone to loudspeaker: python -m live (see --help)."""

import argparse
import signal
import sys
import threading
from contextlib import ExitStack

import torch

from demo.backend import add_backend, open_backend
from demo.program import Parser, count, exit_code, file_path
from demo.voice import add_voice, load_voice
from reference.errors import LLVCError, not_installed, one_line

from .token import add_token, read_token

NETWORK_RATE = 16000  # Hz, with a server
LINE_S = 0.25  # between two live lines on a terminal; elsewhere
LOG_S = 1.0


class LiveError(LLVCError):
    """The voice cannot start."""


def device(text):
    """The type of an option that names an audio device: its number, or a part of its name."""
    return int(text) if text.isdecimal() and len(text) < 5 else text


def decibels(text):
    """The type of an option that takes a level in dB."""
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not -200 <= value <= 200:
        raise argparse.ArgumentTypeError(f"{text[:20]!r} is not a number of decibels from -200 to 200")
    return value


def parse_args(argv=None):
    """Parses the command line; ends the program with one line and code 2 if it is wrong."""
    parser = Parser(
        prog="python -m live",
        description="Speak with the target voice: from a microphone to a loudspeaker or a virtual cable.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--list_devices", action="store_true", help="list the audio devices and end")
    add("--input", type=device, metavar="DEVICE", help="microphone: its number or a part of its name")
    add("--input_channel", type=count(1, 64), default=1, metavar="N", help="channel of the input to take, from 1")
    add("--output", type=device, metavar="DEVICE", help="loudspeaker or virtual cable, likewise")
    default = argparse.SUPPRESS
    add("--monitor", type=device, nargs="?", const=None, default=default, metavar="DEVICE", help="hear it here as well")
    add("-n", "--chunk_factor", type=count(1), default=1, metavar="N", help="chunk, in units of 13 ms")
    add("--gain", type=decibels, default=0.0, metavar="DB", help="of the microphone")
    add("--gate_db", type=decibels, metavar="DB", help="silence what is quieter than this (off by default)")
    add("--record", type=file_path, metavar="FILE.wav", help="write what went in (left) and came out (right)")
    add("--server", metavar="URL", help="let a server convert: the address that python -m live.serve prints")
    add_token(parser, "the server's token")
    add("--ssl_cafile", type=file_path, metavar="FILE", help="certificate (PEM) of a server that signed its own")
    add_voice(add)
    add_backend(add)
    return parser.parse_args(argv)


def import_live():
    """The modules that make live installs, and PortAudio. LiveError if they are not there."""
    try:
        import sounddevice

        import live.converters
        import live.local
    except ModuleNotFoundError as error:
        raise LiveError(not_installed(error, "live")) from None
    except OSError as error:
        reason = one_line(error)
        raise LiveError(f"PortAudio is missing ({reason}); on Debian and Ubuntu: apt install libportaudio2") from None
    return sounddevice, live


def open_converter(args, live, stack):
    """The converter that the options name, closed with `stack`."""
    if args.server:
        token = read_token(args)
        converter = live.converters.RemoteConverter(args.server, NETWORK_RATE, token, args.ssl_cafile, tell)
    else:
        torch.set_num_threads(1)  # a chunk is too small to share
        voice = load_voice(args.checkpoint_path, args.config_path)
        backend = stack.enter_context(open_backend(args.backend, voice.model, args.device_id))
        engine = backend.open_engine(args.chunk_factor, 1, "latency")
        converter = live.converters.LocalConverter(engine, voice.sample_rate)
    stack.callback(converter.close)
    return converter


def line(figures):
    """The live line."""
    return (
        "level {level_db:6.1f} dB  compute {compute_ms:5.1f} ms  RTF {rtf:5.2f}  buffer {buffer_ms:5.1f} ms  "
        "delay {delay_ms:6.1f} ms  underruns {underruns}  dropped {dropped}".format(**figures)
    )


def run(args):
    """Speaks until it is interrupted; returns the exit code. LLVCError if it cannot start or go on."""
    sounddevice, live = import_live()
    if args.list_devices:
        print(sounddevice.query_devices() or "no audio devices")
        return 0
    if args.record and not args.record.lower().endswith(".wav"):
        raise LiveError(f"{args.record}: --record writes a WAV file; give it a name that ends in .wav")
    interrupted = threading.Event()
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):  # the last where a terminal that closes says so
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda *_: interrupted.set())
    speak(args, live, interrupted)
    return 0


def speak(args, live, interrupted):
    """Speaks until it is interrupted. LLVCError if it cannot start or go on."""
    with ExitStack() as stack:
        converter = open_converter(args, live, stack)
        targets = [args.output, args.monitor] if hasattr(args, "monitor") else [args.output]
        voice = stack.enter_context(
            live.local.LocalVoice(
                converter, args.input, targets, args.gain, args.gate_db, args.record, args.input_channel, tell
            )
        )
        print("speak; Ctrl+C ends", file=sys.stderr)
        on_terminal = sys.stderr.isatty()
        while not interrupted.wait(LINE_S if on_terminal else LOG_S) and voice.is_running:
            print(line(voice.figures()), end="\r" if on_terminal else "\n", file=sys.stderr, flush=True)
        if on_terminal:
            print(file=sys.stderr)
    if voice.recorded:
        print(f"written: {args.record}")
    if voice.error:
        raise LiveError(one_line(voice.error))


def tell(text):
    """Says something beside the live line."""
    print(f"\n{text}" if sys.stderr.isatty() else text, file=sys.stderr, flush=True)


def main(argv=None):
    """Runs the client with these arguments, the command line's by default; returns the exit code."""
    return exit_code(lambda: run(parse_args(argv)))


if __name__ == "__main__":
    sys.exit(main())
