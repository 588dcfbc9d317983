"""Files that callers name, opened with the rights of the service and not beyond its directories of datasets.

A path is judged before the file system is touched, and every link on the way
is judged like a path of its own. So nobody hears of a file out of reach
whether it exists, what it is or how large it is, and no link that is put in
place between the judgement and the opening leads out (ADR 0015).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection
from pathlib import PurePosixPath as Pure
from typing import NamedTuple

import msgspec

from cerebros.errors import ManifestRejected

# As many as Linux follows in one path.
LINKS_AT_MOST = 40

# A directory is opened to look names up in it, which needs no right to list it where the system can do so.
FOLDER = os.O_DIRECTORY | os.O_CLOEXEC | getattr(os, "O_PATH", os.O_RDONLY)

# Should a pipe or a device appear where a regular file was a moment ago, opening it must not wait.
FILE = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY

# A file of /proc says that it is empty; so much of one is read.
UNTOLD_BYTES = 2**16


class Place(NamedTuple):
    """A path inside a root: the root's real path, and the names below it."""

    root: str
    names: tuple[str, ...]

    @property
    def path(self) -> str:
        return os.path.join(self.root, *self.names)


class Reach(msgspec.Struct, frozen=True):
    """Files that are read for whoever asks; stored with a run, so that its worker reads no others.

    Attributes:
        roots: absolute paths of the directories.
        home: absolute path of the bridge's home, of which nothing but `datasets/` is in reach; empty for no such limit.
        any_name: hidden files are in reach, and manifests need not end in `.toml`.
        bytes_at_most: largest size of a source.
    """

    roots: tuple[str, ...]
    home: str = ""
    any_name: bool = False
    bytes_at_most: int = 2**30

    def place(self, path: str) -> Place | None:
        """Return where an absolute path is, None for one out of reach; follows no link below the roots."""
        for root in self.roots:
            real = os.path.realpath(root)
            for spelling in (root, real):
                if Pure(path).is_relative_to(spelling):
                    place = Place(real, Pure(path).relative_to(spelling).parts)
                    if self._allows(place):
                        return place
        return None

    def _allows(self, place: Place) -> bool:
        if not self.any_name and any(name.startswith(".") for name in place.names):
            return False
        if not self.home or not _inside(place.path, self.home):
            return True
        return _inside(place.path, os.path.join(self.home, "datasets"))

    def meanings(self, name: str) -> tuple[str, ...]:
        """Return the absolute paths that a name may mean, without `.` and `..`.

        A relative name begins in any root, or with a root's own name; where any name is in reach, in the working
        directory.
        """
        if os.path.isabs(name):
            return (joined(name),)
        if self.any_name:
            return (joined(os.getcwd(), name),)
        return tuple(joined(start, name) for root in self.roots for start in (root, os.path.dirname(root)))


def joined(*parts: str) -> str:
    """Join paths as text; `x/..` goes away without a look at `x`, which may be a link."""
    return "/" + os.path.normpath(os.path.join(*parts)).lstrip("/")


class Wanted(NamedTuple):
    """Sort of file that is asked for.

    Attributes:
        told: the file in errors, as its caller named it.
        bytes_at_most: its largest size.
        too_large: the next move where it is larger.
        endings: endings one of which its name has, after each link too; any when empty.
    """

    told: str
    bytes_at_most: int
    too_large: str
    endings: Collection[str] = ()


class Found(NamedTuple):
    """Content of a file, and its path without links below the root."""

    content: bytes
    path: str


def read_file(wanted: Wanted, path: str, reach: Reach) -> Found:
    """Read a regular file in reach by its absolute path without `.` and `..`.

    Raises:
        ManifestRejected: it is out of reach, of which no more is said; or it is not regular, too large or unreadable.
        FileNotFoundError: it is in reach, and there is none.
    """
    for _ in range(LINKS_AT_MOST):
        place = require_in_reach(wanted.told, path, reach)
        if wanted.endings and (ending := Pure(path).suffix) not in wanted.endings:
            raise _rejected(wanted, f"format {ending!r} is not read; use {', '.join(wanted.endings)}")
        try:
            opened = _opened(wanted, place)
            if isinstance(opened, int):
                return Found(_read(wanted, opened), place.path)
        except FileNotFoundError:
            raise
        except OSError as problem:
            raise _rejected(wanted, f"cannot be read: {problem.strerror}; mend its path or its rights") from None
        except ValueError as problem:  # the name has a NUL or a lone surrogate
            raise _rejected(wanted, f"cannot be read: {problem}; no file has such a name") from None
        path = opened
    raise _rejected(wanted, f"cannot be read: more than {LINKS_AT_MOST} links lead to it; name the file itself")


def require_in_reach(told: str, path: str, reach: Reach) -> Place:
    """Return where a path is, without a look at the file.

    Raises:
        ManifestRejected: it is out of reach; the message is the same whatever is there.
    """
    place = reach.place(path)
    if place is None:
        raise ManifestRejected(
            f"{told}: is in no directory that datasets are read from; put it into one, under no hidden name, "
            "or have the operator add its directory to CEREBROS_DATASET_ROOTS"
        )
    return place


def _opened(wanted: Wanted, place: Place) -> int | str:
    """Open a file, name by name from its root; return a descriptor, or the path that the first link on the way means.

    Raises:
        OSError, ValueError: it cannot be opened.
        ManifestRejected: it is not a regular file.
    """
    folder = os.open(place.root, FOLDER)
    try:
        for depth, name in enumerate(place.names, start=1):
            mode = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
            if stat.S_ISLNK(mode):
                link = os.readlink(name, dir_fd=folder)
                return joined(place.root, *place.names[: depth - 1], link, *place.names[depth:])
            if depth == len(place.names):
                _require_regular(wanted, mode)
                return os.open(name, FILE, dir_fd=folder)
            inner = os.open(name, FOLDER | os.O_NOFOLLOW, dir_fd=folder)
            os.close(folder)
            folder = inner
    finally:
        os.close(folder)
    raise _rejected(wanted, "is a directory; name a file")


def _read(wanted: Wanted, descriptor: int) -> bytes:
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(file.fileno())
        _require_regular(wanted, status.st_mode)
        size = status.st_size
        if size <= wanted.bytes_at_most:
            content = file.read(min(size or UNTOLD_BYTES, wanted.bytes_at_most) + 1)
            if len(content) <= wanted.bytes_at_most:
                return content
            size = len(content)
    raise _rejected(wanted, f"has {size:,} bytes, {wanted.bytes_at_most:,} are read at most; {wanted.too_large}")


def _require_regular(wanted: Wanted, mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise _rejected(wanted, "is not a regular file; name one")


def _rejected(wanted: Wanted, fault: str) -> ManifestRejected:
    return ManifestRejected(f"{wanted.told}: {fault}")


def _inside(path: str, directory: str) -> bool:
    return Pure(path).is_relative_to(os.path.realpath(directory))
