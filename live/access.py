# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Whose pages may use the server, by which names it is called, and whose word counts for where a client comes from."""

import ipaddress
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from reference.errors import LLVCError

from .protocol import ProtocolError

DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Origin:
    """Where a page comes from."""

    scheme: str
    host: str  # in lower case
    port: int


def parse_origin(text):
    """scheme://host[:port] -> Origin; None if it is none."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return None
    is_more = parts.path or parts.query or parts.fragment or "@" in parts.netloc
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname or is_more:
        return None
    return Origin(parts.scheme, parts.hostname, DEFAULT_PORTS[parts.scheme] if port is None else port)


def is_own_name(host):
    """Whether no stranger can have this name lead here: an address, a name without a dot, or this machine's own.

    A page of a stranger's domain that is made to lead here (DNS rebinding) would else count as the server's own.
    """
    try:
        ipaddress.ip_address(host)
        return True
    except ValueError:
        own = socket.gethostname().lower()
        return "." not in host or host in (own, f"{own}.local")


class Access:
    """What a server lets in.

    `allowed_origins` are texts, of pages of other servers and, behind a proxy, of its own page; the names in them are
    the server's names too. `proxies` are addresses or networks whose X-Forwarded headers count. With `tls` it may be
    called anything: its certificate says who it is.
    """

    def __init__(self, allowed_origins=(), proxies=(), names=(), tls=False):
        self.proxies = tuple(proxies)
        self._networks = [ipaddress.ip_network(proxy) for proxy in proxies]
        self._origins = {parse_origin(text) for text in allowed_origins}
        self._names = {name.lower() for name in names} | {origin.host for origin in self._origins}
        self._tls = tls

    def is_proxy(self, address):
        try:
            ip = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(ip in network for network in self._networks)

    def host(self, headers, peer):
        """The Host that the client of `peer` (an address) asked for, None if it did not say."""
        forwarded = headers.get("x-forwarded-host") if self.is_proxy(peer) else None
        return forwarded.split(",")[-1].strip() if forwarded else headers.get("host")

    def check_host(self, headers, peer):
        """LLVCError if the server is not called that."""
        text = self.host(headers, peer)
        if not text or self._tls:  # browsers always say it
            return
        origin = parse_origin(f"http://{text}")
        if origin is None or not (is_own_name(origin.host) or origin.host in self._names):
            raise LLVCError(
                f"this server is not known as {text[:100]!r}; if it should be, start it with --allowed_origins and the "
                "address of its page"
            )

    def check_page(self, headers, peer):
        """A page of another server must not speak for its visitor; programs send no Origin. ProtocolError."""
        try:
            self.check_host(headers, peer)
        except LLVCError as error:
            raise ProtocolError("bad_origin", str(error)) from None
        text = headers.get("origin")
        if text is None:
            return
        origin = parse_origin(text)
        own = parse_origin(f"{origin.scheme}://{self.host(headers, peer) or ''}") if origin else None
        if origin is None or (origin != own and origin not in self._origins):
            raise ProtocolError("bad_origin", "a page of another server; open the page that this one serves")
