"""Addresses of databases as libpq reads them: checked before they are used, and kept out of every message."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

import psycopg
from psycopg.conninfo import conninfo_to_dict

from cerebros.errors import InvalidArgument

SECRETS = ("password", "sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key")

# A password with one of these signs, written as it is, ends early or begins a host name.
RULE = (
    "write it as postgresql://user:password@host:port/name, "
    "with % @ : / ? # of the password as %25 %40 %3A %2F %3F %23; look at DATABASE_URL"
)


def check_address(url: str) -> None:
    """Refuse an address that libpq cannot read, or reads otherwise than it was meant.

    No part of the address is told: where its password ends is the very thing that is not known.

    Raises:
        InvalidArgument: it breaks a rule.
    """
    try:
        parts = conninfo_to_dict(url)
    except (psycopg.Error, UnicodeError) as problem:
        rule = re.sub(r'"[^"]*"', '"…"', str(problem)).strip()
        raise InvalidArgument(f"the database's address cannot be read: {rule}; {RULE}") from None
    ports = [port for port in str(parts.get("port", "")).split(",") if port]
    if not all(port.isascii() and port.isdecimal() and 0 < int(port) < 2**16 for port in ports):
        raise InvalidArgument(f"the database's address has a port that is no number from 1 to 65535; {RULE}")
    if "@" in f"{parts.get('host', '')}{parts.get('hostaddr', '')}{parts.get('dbname', '')}":
        raise InvalidArgument(f"the database's address has a second @; {RULE}")


def masked(text: object, url: str) -> str:
    """Return a message about a database in one line, without the secrets of its address."""
    try:
        parts = conninfo_to_dict(url)
    except (psycopg.Error, UnicodeError):
        return "its address cannot be read"
    told = " ".join(str(text).split())
    for secret in filter(None, (str(parts.get(name) or "") for name in SECRETS)):
        told = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", "***", told)
    return told


def with_options(url: str, options: Mapping[str, str]) -> str:
    """Return the session options for a connection: the address's or those of PGOPTIONS, and ours, which win."""
    theirs = conninfo_to_dict(url).get("options") or os.environ.get("PGOPTIONS", "")
    return " ".join([str(theirs), *(f"-c {name}={value}" for name, value in options.items())]).strip()
