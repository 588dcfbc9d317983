"""Hosts and origins as HTTP writes them, and the rule by which a server knows its own names.

A page on the internet can give its own name the address of this machine (DNS
rebinding); the browser then takes our answers for that page's. Such a request
still carries the page's name, so a server answers to its own names only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import NamedTuple

# RFC 3986, without what a Host header may not have: a user's name, percent-encoding, a zone.
_AUTHORITY = re.compile(r"(?:\[([0-9A-Fa-f:.]{2,45})\]|([A-Za-z0-9._-]{1,254}))(?::([0-9]{0,5}))?")

_DEFAULT_PORTS = {"http": 80, "https": 443}

# Every request names its host, and nearly all of them the same one.
NAMES_KEPT = 64

_LOOPBACK = ("localhost", "127.0.0.0/8", "::1")


class Authority(NamedTuple):
    """A host in one spelling, lower case and without brackets or a last dot, and its port, None if it has none."""

    host: str
    port: int | None


class Origin(NamedTuple):
    """The origin of a web page, in the spelling that browsers send."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + ("" if self.port == _DEFAULT_PORTS[self.scheme] else f":{self.port}")


@lru_cache(maxsize=NAMES_KEPT)
def authority_in(text: str) -> Authority | None:
    """Read `host`, `host:port` or `[address]:port`; None if the text is none of these."""
    found = _AUTHORITY.fullmatch(text)
    if found is None:
        return None
    address, name, digits = found.groups()
    port = int(digits) if digits else None
    if port is not None and port > 65535:
        return None
    if address is None:
        return Authority(_one_spelling(name), port)
    try:
        return Authority(_address(IPv6Address(address)), port)
    except ValueError:
        return None


def origin_in(text: str) -> Origin | None:
    """Read an `Origin` header; None if it names no page of the web, as `null` does."""
    scheme, _, rest = text.partition("://")
    authority = authority_in(rest)
    if authority is None or scheme.lower() not in _DEFAULT_PORTS:
        return None
    port = authority.port if authority.port is not None else _DEFAULT_PORTS[scheme.lower()]
    return Origin(scheme.lower(), authority.host, port)


def same_origin(origin: Origin, authority: Authority) -> bool:
    """Return True for a page that came from the server which was asked at `authority`."""
    # A proxy that ends TLS hides the scheme, but the port that is left out is the one of the page's own scheme.
    asked = authority.port if authority.port is not None else _DEFAULT_PORTS[origin.scheme]
    return (origin.host, origin.port) == (authority.host, asked)


def with_port(address: str, port: int) -> str:
    """Return an address, `host:port`, with this port."""
    return f"{address.rpartition(':')[0]}:{port}"


class Hosts:
    """Names, addresses and networks; `in` tells if a host is one of them, or belongs to one."""

    def __init__(self, entries: Iterable[str]) -> None:
        """Read the entries; loopback is always among them.

        Raises:
            ValueError: an entry is neither a name, an address nor a network.
        """
        self._names: set[str] = set()
        self._networks = []
        for entry in (*_LOOPBACK, *entries):
            authority = authority_in(f"[{entry}]" if entry.count(":") > 1 and not entry.startswith("[") else entry)
            if "/" in entry:
                self._networks.append(ip_network(entry, strict=False))
            elif authority is None or authority.port is not None:
                raise ValueError(f"{entry!r} is neither a name, an address nor a network")
            else:
                self._names.add(authority.host)

    def __contains__(self, host: str) -> bool:
        if host in self._names:
            return True
        try:
            address = ip_address(host)
        except ValueError:
            return False
        return any(address in network for network in self._networks)


def _one_spelling(name: str) -> str:
    try:
        return str(IPv4Address(name))
    except ValueError:
        return name.lower().removesuffix(".")


def _address(address: IPv6Address) -> str:
    return str(address.ipv4_mapped or address)
