"""The outermost frame of every command: standard streams that can be written to, and one line for whatever fails.

Exit status: 0 done, 1 refused or failed with a typed error, 2 wrong usage.
"""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import click

from bridge.cli import show
from bridge.process.defects import defects_answered
from bridge.process.files import files_answered
from cerebros.errors import CerebrosError, ResourceExhausted

# What click says by raising: usage, a status, an interrupt.
_CLICKS = (click.ClickException, click.exceptions.Exit, click.Abort)


class Framed(click.Group):
    """A group of commands whose failures are typed: one line on stderr, or one JSON object with --json.

    Attributes:
        asked_by: the command that asks each procedure, so that an answer which names a procedure names the command.
    """

    asked_by: Mapping[str, str]

    def main(self, *args: Any, **kwargs: Any) -> Any:
        open_standard_streams()
        return super().main(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        as_json = "--json" in ctx.args
        try:
            with _typed_failures():
                answer = super().invoke(ctx)
                sys.stdout.flush()
            return answer
        except CerebrosError as error:
            # Who calls a procedure by its name reads of others by their names.
            said = error.message if ctx.invoked_subcommand == "call" else self._in_commands(error.message)
            with _typed_failures(), suppress(CerebrosError):
                show.refusal(error, said, json=as_json)
            ctx.exit(1)

    def _in_commands(self, message: str) -> str:
        # A name without an underscore is a word of English as well.
        names = "|".join(re.escape(name) for name in self.asked_by if "_" in name)
        return re.sub(
            rf"(?<!['\w])({names})(?!['\w])",
            lambda found: f"`{self.name} {self.asked_by[found[1]]}`",
            message,
        )


def open_standard_streams() -> None:
    """Give the process three standard streams, so that no file or socket takes the place of one that was closed.

    What is written to a closed stdout fails, as it does on a full one; stderr then leads nowhere.
    """
    for descriptor, mode in ((0, os.O_RDONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        with suppress(OSError):
            os.fstat(descriptor)
            continue
        os.open(os.devnull, mode)  # takes the lowest free number, which is this one
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - as long as the process
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a test's stand-in has none
            stream.reconfigure(errors="backslashreplace")


@contextmanager
def _typed_failures() -> Iterator[None]:
    """Raise a typed error for whatever fails inside; click's own exceptions pass.

    Raises:
        CerebrosError: a refusal, trouble with the system, or a defect.
    """
    usage: BaseException | None = None
    with defects_answered("command"):
        try:
            yield
        except _CLICKS as said:
            usage = said
        except OSError as problem:
            if problem.errno == errno.EPIPE:
                usage = problem  # who reads has read enough; click ends quietly
            elif problem.filename is None and problem.errno in (errno.ENOSPC, errno.EBADF):
                _forget_stdout()
                raise ResourceExhausted(
                    f"standard output takes no more ({problem.strerror}); what was asked for is done, ask again"
                ) from None
            else:
                with files_answered("the command failed", "make it possible and try again"):
                    raise
    if usage is not None:
        raise usage


def _forget_stdout() -> None:
    """Let stdout lead nowhere; the interpreter would try again at its end what could not be written."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
