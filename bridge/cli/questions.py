"""Commands that ask one procedure and show its answer."""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

import click
import msgspec

from bridge.cli.opened import as_json, asked
from bridge.cli.options import Form
from bridge.contract.procedure import Procedure, Request
from bridge.contract.telling import summary
from bridge.runs.kinds import Deps

Answer = TypeVar("Answer", bound=msgspec.Struct)
Shown = TypeVar("Shown", bound=msgspec.Struct, contravariant=True)


class Show(Protocol[Shown]):
    """Prints an answer, for people or as one JSON object."""

    def __call__(self, answer: Shown, /, *, json: bool) -> None: ...


def question(
    name: str, procedure: Procedure[Deps, Request, Answer], show: Show[Answer], *, status: str = ""
) -> click.Command:
    """Return the command that asks a procedure; its arguments and its help are those of the request.

    The first field that the request cannot do without is positional, the others are options. `status`
    tells of an exit status that the command has for an answer.
    """
    form: Form[Request] = Form(procedure.request)

    def ask(json: bool, **given: Any) -> None:
        show(asked(procedure, form.filled(given)), json=json)

    told = "\n\n".join(filter(None, (summary(procedure.request), status)))
    return as_json(click.Command(name, callback=ask, params=form.parameters, help=told))
