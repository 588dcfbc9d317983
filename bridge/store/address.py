"""Addresses of databases as libpq reads them: checked before they are used, and kept out of every message."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import psycopg
from psycopg.conninfo import conninfo_to_dict

from cerebros.errors import InvalidArgument

SECRETS = ("password", "sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key")

# Values come in the forms that psycopg reads, whole and in UTC, and our statements mean what they say, whatever a role,
# the address or PGOPTIONS has set.
FORMS = {
    "TimeZone": "UTC",
    "DateStyle": "ISO",
    "IntervalStyle": "postgres",
    "extra_float_digits": "1",
    "standard_conforming_strings": "on",
}

# libpq asks the server for what these say after a session's options, which they would overrule.
OVERRULING = ("PGTZ", "PGDATESTYLE", "PGGEQO")

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
    if not url.startswith(("postgresql://", "postgres://")):
        raise InvalidArgument(f"the database's address does not begin with postgresql://; {RULE}")
    if url != url.rstrip():
        raise InvalidArgument(f"the database's address ends with white space; {RULE}")
    try:
        parts = conninfo_to_dict(url)
    except (psycopg.Error, UnicodeError) as problem:
        # From the first quotation mark to the last: what is quoted may have some of its own.
        rule = re.sub(r'".*"', '"…"', str(problem), flags=re.DOTALL).strip()
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
    told = str(text)
    for secret in filter(None, (str(parts.get(name) or "") for name in SECRETS)):
        told = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", "***", told)
    return " ".join(told.split())


def with_options(url: str, options: Mapping[str, str]) -> str:
    """Return a connection's session options: the address's or those of PGOPTIONS, then `FORMS` and ours, which win."""
    theirs = conninfo_to_dict(url).get("options") or os.environ.get("PGOPTIONS", "")
    ours = {**FORMS, **options}
    return " ".join([str(theirs), *(f"-c {name}={value}" for name, value in ours.items())]).strip()


@contextmanager
def without_variables(names: Iterable[str]) -> Iterator[None]:
    """Take variables from this process's environment while the context is open."""
    taken = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(taken)
