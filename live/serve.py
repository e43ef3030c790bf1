# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Serves live voice conversion: python -m live.serve, then open the page that it names (see --help)."""

import argparse
import ipaddress
import os
import socket
import ssl
import sys
from contextlib import ExitStack
from tempfile import TemporaryDirectory

from demo.backend import add_backend, available_cores, open_backend
from demo.program import Parser, count, exit_code, file_path
from demo.site import has_runtime, write_site
from demo.voice import add_voice, load_voice
from reference.errors import LLVCError, not_installed, one_line

from .access import parse_origin
from .token import add_token, read_token

STREAMS_PER_WORKER = 100
CAN_SHARE = sys.platform == "linux"  # memory between processes


class ServeError(LLVCError):
    """The server cannot start."""


def positive(text):
    """The type of --max_minutes and --drain_s: a positive number."""
    try:
        value = float(text)
    except ValueError:
        value = 0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text[:20]!r} is not a positive number")
    return value


def origin(text):
    """The type of --allowed_origins: http or https, a host, and nothing behind its port."""
    if not parse_origin(text):
        raise argparse.ArgumentTypeError(
            f"{text[:100]!r} is no origin; write https://voice.example.com, without a path"
        )
    return text


def network(text):
    """The type of --proxies."""
    try:
        ipaddress.ip_network(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(one_line(error)) from None
    return text


def parse_args(argv=None):
    """Parses the command line; ends the program with one line and code 2 if it is wrong."""
    parser = Parser(
        prog="python -m live.serve",
        description="Serve live voice conversion: a page to speak into, and a WebSocket (docs/PROTOCOL.md).",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to listen at; 0.0.0.0 for all of this machine")
    add("--port", type=count(0, 65535), default=8000, metavar="N", help="port to listen at; 0 takes a free one")
    add("--streams", type=count(1), default=default_places(), metavar="B", help="places for streams at a time")
    add("-n", "--chunk_factor", type=count(1), default=1, metavar="N", help="chunk of a stream, in units of 13 ms")
    add_voice(add)
    add_backend(add)
    add(
        "--threads",
        type=count(1),
        metavar="N",
        help="CPU threads: by default one a stream, but one core for the network",
    )
    help = "processes for the network, beside the engine's; 1: the engine's own; by default as streams and cores demand"
    add("--workers", type=count(1, 64), metavar="W", help=help)
    add_token(parser, "what clients must know; the page asks for it")
    help = "https://HOST[:PORT] of pages that may use this server besides its own; behind a proxy, of its own"
    add("--allowed_origins", type=origin, nargs="+", default=[], metavar="ORIGIN", help=help)
    help = "addresses or networks of proxies, whose X-Forwarded-For and -Host count"
    add("--proxies", type=network, nargs="+", default=[], metavar="ADDRESS", help=help)
    add("--ssl_certfile", type=file_path, metavar="FILE", help="certificate (PEM): serve https and wss")
    add("--ssl_keyfile", type=file_path, metavar="FILE", help="its key, if it is not in the same file")
    add("--max_minutes", type=positive, metavar="M", help="a stream ends after so many minutes")
    help = "at SIGTERM streams may go on for so many seconds, and no new ones are taken; without it all end at once"
    add("--drain_s", type=positive, default=0.0, metavar="S", help=help)
    help = "port at which HAProxy's agent-check is told how many places are free"
    add("--agent_port", type=count(1, 65535), metavar="N", help=help)
    args = parser.parse_args(argv)
    args.token = read_token(args)
    return args


def import_live(workers=1):
    """The modules that need what make live installs. ServeError if it is not there."""
    try:
        import live.agent
        import live.app
        import live.clocked
        import live.log

        if workers > 1:
            import live.workers
    except ModuleNotFoundError as error:
        raise ServeError(not_installed(error, "live")) from None
    return live


def bind(host, port):
    """A socket that is bound and does not listen yet. ServeError if the address is taken or not ours."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        if os.name == "posix":  # elsewhere this lets two servers share a port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        reason = error.strerror or one_line(error)
        raise ServeError(f"{host}:{port}: cannot be listened at ({reason}); name others with --host, --port") from None
    return listener


def check_certificate(certfile, keyfile):
    """ServeError unless the files hold a certificate and its key."""
    if not certfile:
        if keyfile:
            raise ServeError("--ssl_keyfile goes with --ssl_certfile; name the certificate too")
        return
    for path in filter(None, (certfile, keyfile)):
        if not os.path.isfile(path):
            raise ServeError(f"{path}: no such file; name a PEM file with --ssl_certfile and --ssl_keyfile")
    try:
        # A key with a password would make OpenSSL ask on the terminal: nobody may be there.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certfile, keyfile, password=lambda: "")
    except (ssl.SSLError, OSError) as error:
        raise ServeError(f"{certfile}: no certificate with a key that can be used ({one_line(error)})") from None


def is_loopback(host):
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def default_places():
    """Four, or what fewer cores can keep up with."""
    return min(4, 2 * available_cores())


def default_workers(streams):
    """One process for a hundred streams, but a core for the engine."""
    return max(1, min(-(-streams // STREAMS_PER_WORKER), available_cores() - 1)) if CAN_SHARE else 1


def default_threads(backend, streams):
    """A thread for each stream, but a core for the network. PyTorch gets one: its threads share each chunk, which is
    too small for that: on a busy machine each waits for the others."""
    return 1 if backend == "torch" else max(1, min(streams, available_cores() - 1))


def greeting(args, port, where):
    """What is printed when the port is open."""
    secure = bool(args.ssl_certfile)
    host = "localhost" if args.host in ("0.0.0.0", "::") else args.host
    url = f"http{'s' if secure else ''}://{f'[{host}]' if ':' in host else host}:{port}/"
    lines = [f"{where}; {args.streams} places, chunks of {args.chunk_factor} x 13 ms", f"open {url}  (Ctrl+C ends)"]
    if not secure and not is_loopback(args.host):
        lines.append(
            "note: browsers give the microphone to https and localhost only; for other machines add --ssl_certfile"
        )
    if args.token is None and not is_loopback(args.host):
        lines.append("note: anyone who reaches this port can use it; add --token")
    return "\n".join(lines)


def run(args):
    """Serves until it is interrupted; returns the exit code. LLVCError if it cannot start."""
    count = args.workers or default_workers(args.streams)
    if count > 1 and not CAN_SHARE:
        raise ServeError("several workers need Linux, to share memory; leave --workers out")
    with ExitStack() as stack:
        if count > 1:  # before prometheus_client is imported
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = stack.enter_context(TemporaryDirectory(prefix="llvc-metrics-"))
        live = import_live(count)
        live.log.configure()
        check_certificate(args.ssl_certfile, args.ssl_keyfile)
        listener = stack.enter_context(bind(args.host, args.port))
        agent_listener = stack.enter_context(bind(args.host, args.agent_port)) if args.agent_port else None
        voice = load_voice(args.checkpoint_path, args.config_path)
        page = live.session.PAGE
        if has_runtime():  # the page can convert by itself, too
            page = stack.enter_context(TemporaryDirectory(prefix="llvc-page-"))
            write_site(voice, page, server=True)
        threads = args.threads or default_threads(args.backend, args.streams)
        backend = open_backend(args.backend, voice.model, args.device_id, args.streams, threads=threads)
        backend = stack.enter_context(backend)
        facts = {
            "backend": backend.name,
            "device": backend.device,
            "voice": voice.name,
            "chunk_factor": args.chunk_factor,
        }
        settings = {
            "service": {
                "facts": facts,
                "token": args.token,
                "max_minutes": args.max_minutes,
                "drain_s": args.drain_s,
                "page": str(page),
            },
            "access": [args.allowed_origins, args.proxies, [args.host], bool(args.ssl_certfile)],
            "tls": [path and os.path.abspath(path) for path in (args.ssl_certfile, args.ssl_keyfile)],
        }
        text = greeting(args, listener.getsockname()[1], f"{backend.name} ({backend.device})")
        engine = backend.open_engine(args.chunk_factor, args.streams, "latency")
        workers = live.workers.Workers(count, settings) if count > 1 else None
        server = live.clocked.ClockedServer(engine, voice.sample_rate, **(workers.shared if workers else {}))
        with server.running():
            if agent_listener:
                stack.enter_context(live.agent.agent(server, agent_listener))
            if workers:
                workers.run(server, listener, lambda: print(text, flush=True))
            else:
                web = live.app.web_server(server, settings, lambda: print(text, flush=True))
                web.run(sockets=[listener])
    return 0


def main(argv=None):
    """Runs the server with these arguments, the command line's by default; returns the exit code."""
    return exit_code(lambda: run(parse_args(argv)))


if __name__ == "__main__":
    sys.exit(main())
