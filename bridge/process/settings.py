"""The operator's settings, read in one place: `CEREBROS_*` variables over `cerebros.toml` over defaults.

A room declares its settings as a frozen struct and reads them as
`settings[JobSettings].trial_processes`. `bridge.service.SETTINGS` lists the
structs of all rooms; no two of them have a field of the same name.
"""

from __future__ import annotations

import errno
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args, get_origin

import msgspec
import platformdirs
from msgspec import Meta

import bridge
from cerebros.errors import Internal, InvalidArgument

Positive = Annotated[float, Meta(gt=0)]

# Variables of our programs that are no settings: the Elixir client's, and what a parent tells its children.
OTHERS = ("CEREBROS_BRIDGE_BIN", "CEREBROS_PARENT_PID")

# There is no such file, because the home is absent or cannot be one; that is refused when it is used.
NO_FILE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG)

Room = TypeVar("Room", bound=msgspec.Struct)


class HomeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Directory of the bridge's files, `cerebros.toml` among them."""

    home: Annotated[
        str,
        Meta(
            description="Directory of the database, artifacts, sockets and keys.",
            extra={"default": "the user's data directory"},
        ),
    ]


@dataclass(frozen=True)
class Settings:
    """The settings in force, each room's under the struct that declares them."""

    rooms: Mapping[type[msgspec.Struct], Any]

    def __getitem__(self, room: type[Room]) -> Room:
        """Return a room's settings.

        Raises:
            Internal: they were not read.
        """
        if room not in self.rooms:
            raise Internal(f"{room.__name__} were not read; list them in bridge.service.SETTINGS")
        found: Room = self.rooms[room]
        return found

    @property
    def home(self) -> Path:
        return Path(self[HomeSettings].home)

    def changed(self, **values: object) -> Settings:
        """Return these settings with some values replaced, each in the room that has a field of its name.

        Raises:
            Internal: no room has one.
        """
        owners = owners_of(self.rooms)
        if unknown := values.keys() - owners.keys():
            raise Internal(f"no room has the settings {', '.join(sorted(unknown))}")
        rooms = dict(self.rooms)
        for name, value in values.items():
            rooms[owners[name]] = msgspec.structs.replace(rooms[owners[name]], **{name: value})
        return Settings(rooms)


def read_settings(rooms: Iterable[type[msgspec.Struct]], environ: Mapping[str, str] = os.environ) -> Settings:
    """Return the settings in force of these rooms.

    Raises:
        InvalidArgument: a value breaks its rule, or cerebros.toml has an unknown key.
        Internal: two rooms declare a setting of one name.
    """
    home = _home(environ)
    owners = owners_of(dict.fromkeys((HomeSettings, *rooms)))
    raw = _read_file(home / "cerebros.toml")
    try:
        if unknown := raw.keys() - owners.keys():
            raise msgspec.ValidationError(f"Object contains unknown field `{min(unknown)}`")
        raw |= {name: environ[variable] for name, variable in _variables(owners).items() if variable in environ}
        raw |= {name: _entries(raw[name]) for name in _lists(owners) if isinstance(raw.get(name), str)}
        raw["home"] = str(home)
        chosen = {room: {name: raw[name] for name in raw if owners[name] is room} for room in owners.values()}
        return Settings({room: msgspec.convert(chosen[room], room, strict=False) for room in chosen})
    except msgspec.ValidationError as problem:
        raise InvalidArgument(_broken(problem, owners, environ, home)) from None


def _broken(
    problem: msgspec.ValidationError, owners: Mapping[str, type[msgspec.Struct]], environ: Mapping[str, str], home: Path
) -> str:
    """A broken rule as the operator meets it: the variable and its value, or the key of the file, and its meaning."""
    rule, _, place = str(problem).partition(" - at `$.")
    name = re.split(r"\W", place)[0]
    if name not in owners:
        return f"settings: {problem}; look at CEREBROS_* variables and {home}/cerebros.toml"
    variable = _variables(owners)[name]
    given = f"{variable} {environ[variable]!r}" if variable in environ else f"{name} in {home}/cerebros.toml"
    meaning = [note.description for note in _notes(owners)[name] if note.description]
    return "; ".join((f"{given}: {rule[:1].lower()}{rule[1:]}", *meaning))


def unknown_variables(rooms: Iterable[type[msgspec.Struct]], environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Map each `CEREBROS_*` variable that no setting of these rooms reads to the likest one that is, "" without one."""
    known = [*_variables(owners_of(dict.fromkeys((HomeSettings, *rooms)))).values(), *OTHERS]
    strange = sorted(name for name in environ if name.startswith("CEREBROS_") and name not in known)
    return {name: next(iter(get_close_matches(name, known, 1)), "") for name in strange}


def _home(environ: Mapping[str, str]) -> Path:
    home = Path(environ.get("CEREBROS_HOME") or platformdirs.user_data_dir("cerebros")).absolute()
    try:
        str(home).encode()
    except UnicodeEncodeError:
        raise InvalidArgument(f"home {os.fsencode(home)!r} is no UTF-8; set CEREBROS_HOME to another") from None
    if set(str(home)) & set("\n\r"):  # PostgreSQL takes no such path
        raise InvalidArgument(f"home {str(home)!r} has a line break; set CEREBROS_HOME to another")
    return home


def owners_of(rooms: Iterable[type[msgspec.Struct]]) -> dict[str, type[msgspec.Struct]]:
    """Map each setting's name to the struct that declares it, in their order.

    Raises:
        Internal: two structs declare a setting of one name.
    """
    owners: dict[str, type[msgspec.Struct]] = {}
    for room in rooms:
        for name in room.__struct_fields__:
            if name in owners:
                raise Internal(f"{owners[name].__name__} and {room.__name__} both declare {name!r}; rename one")
            owners[name] = room
    return owners


def variable_of(name: str, extra: Mapping[str, Any]) -> str:
    """Return the variable that sets a setting: the one that its Meta's `extra` names, else `CEREBROS_` and its name."""
    return str(extra.get("variable", f"CEREBROS_{name.upper()}"))


def _variables(owners: Mapping[str, type[msgspec.Struct]]) -> dict[str, str]:
    return {
        name: variable_of(name, {key: value for note in notes for key, value in (note.extra or {}).items()})
        for name, notes in _notes(owners).items()
    }


def _notes(owners: Mapping[str, type[msgspec.Struct]]) -> dict[str, tuple[Meta, ...]]:
    fields = (field for room in dict.fromkeys(owners.values()) for field in msgspec.structs.fields(room))
    return {field.name: getattr(field.type, "__metadata__", ()) for field in fields}


def _entries(text: str) -> list[str]:
    return [entry.strip() for entry in text.split(",") if entry.strip()]


def _lists(owners: Mapping[str, type[msgspec.Struct]]) -> set[str]:
    """Return the names of the settings that are lists; a variable separates their entries by commas."""
    types = {
        field.name: get_args(field.type)[0] if get_origin(field.type) is Annotated else field.type
        for room in dict.fromkeys(owners.values())
        for field in msgspec.structs.fields(room)
    }
    return {name for name, kind in types.items() if get_origin(kind) is tuple}


def _read_file(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as problem:  # TOML and UTF-8 errors are ValueErrors
        if isinstance(problem, OSError) and problem.errno in NO_FILE:
            return {}
        raise InvalidArgument(f"settings: {file} cannot be read: {problem}; mend or remove it") from None


def shipped(folder: str, beside: str = "priv") -> Path:
    """A folder that ships: inside the installed package, or in the folder `beside` it in a checkout."""
    package = Path(bridge.__file__).parent
    installed = package / "_priv" / folder
    return installed if installed.is_dir() else package.parent / beside / folder
