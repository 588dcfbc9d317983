"""The contract as the `.proto` files must state it, and the comments in them: `python -m bridge.cli.proto_comments`.

Structure and field numbers are written by hand. Comments are written by this module, from the same
descriptions that every other transport tells; what differs in structure is reported.
"""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import msgspec

from bridge.contract.procedure import AnyProcedure
from bridge.contract.telling import Told, class_of, fields_of, is_document, is_struct, meaning, members, summary, tag_of
from bridge.runs.procedures import procedures
from bridge.service import KINDS, PROCEDURES

WIDTH = 120
STRUCT = "google.protobuf.Struct"
SCALARS: dict[object, str] = {str: "string", bool: "bool", int: "int64", float: "double"}

_OPENING = re.compile(r"\s*(service|message|oneof) (\w+) \{(\})?$")
_RPC = re.compile(r"\s*rpc ((\w+)\((stream )?(\w+)\) returns \(.+\));$")
_FIELD = re.compile(r"\s*((?:optional |repeated )?(?:map<\w+, \w+>|[\w.]+) (\w+)) = \d+;$")


@dataclass
class Contract:
    """Declarations and comments that the `.proto` files must have.

    Attributes:
        rpcs: each rpc's declaration.
        messages: the declarations of each message's fields, without their numbers.
        comments: by owner and name; the owner is `rpc`, `message`, or the message that has the field.
    """

    rpcs: set[str] = field(default_factory=set)
    messages: dict[str, set[str]] = field(default_factory=dict)
    comments: dict[tuple[str, str], str] = field(default_factory=dict)


@dataclass(frozen=True)
class Line:
    """A line of a `.proto` file.

    Attributes:
        owner, name: the key of its comment; empty where it declares nothing.
        declaration: that of a field or an rpc.
        caller_streams: it is an rpc to which the caller sends a stream.
        request: the message that such an rpc takes.
    """

    text: str
    owner: str = ""
    name: str = ""
    declaration: str = ""
    caller_streams: bool = False
    request: str = ""


def every_procedure() -> tuple[AnyProcedure, ...]:
    """Return the procedures of all rooms."""
    return (*procedures(KINDS), *PROCEDURES)


def contract_of(table: Iterable[AnyProcedure]) -> Contract:
    """Tell these procedures as services and messages."""
    contract = Contract()
    for procedure in table:
        rpc = _camel(procedure.name)
        reply = class_of(procedure.reply).__name__
        # A message named like the rpc is told apart by its full name.
        named = f".cerebros.v1.{reply}" if reply == rpc else reply
        contract.rpcs.add(f"{rpc}({rpc}Request) returns ({'stream ' if procedure.streams else ''}{named})")
        contract.comments["rpc", rpc] = meaning(procedure.request)
        _add_message(contract, f"{rpc}Request", procedure.request)
        _add_message(contract, reply, procedure.reply)
    return contract


def with_comments(text: str, comments: dict[tuple[str, str], str]) -> str:
    """Return a `.proto` file with the comments that the contract has for it; others stay."""
    written: list[str] = []
    for line in lines_of(text):
        if comment := comments.get((line.owner, line.name)):
            while written and written[-1].lstrip().startswith("//"):
                written.pop()
            indent = line.text[: len(line.text) - len(line.text.lstrip())]
            for paragraph in comment.split("\n\n"):
                written += textwrap.wrap(
                    paragraph, WIDTH, initial_indent=f"{indent}// ", subsequent_indent=f"{indent}// ",
                    break_long_words=False, break_on_hyphens=False,
                )  # fmt: skip
        written.append(line.text)
    return "\n".join(written) + "\n"


def differences(texts: Iterable[str], contract: Contract) -> list[str]:
    """Report where `.proto` files and the contract do not state the same, a line per difference.

    An rpc to which the caller streams is not of the contract: it serves another rpc with credit.
    """
    lines = [line for text in texts for line in lines_of(text)]
    ours = {line.name for line in lines if line.caller_streams} | {
        line.request for line in lines if line.caller_streams
    }
    messages: dict[str, set[str]] = {line.name: set() for line in lines if line.owner == "message"}
    for line in lines:
        if line.owner in messages:
            messages[line.owner].add(line.declaration)
    rpcs = {line.declaration for line in lines if line.owner == "rpc" and line.name not in ours}
    found = [f"rpc {rpc}: only in the .proto files" for rpc in rpcs - contract.rpcs]
    found += [f"rpc {rpc}: only in the contract" for rpc in contract.rpcs - rpcs]
    for name in (messages.keys() | contract.messages.keys()) - ours:
        stated, expected = messages.get(name), contract.messages.get(name)
        if stated is None or expected is None:
            found.append(f"message {name}: only in the {'contract' if stated is None else '.proto files'}")
            continue
        found += [f"{name}: `{one}` stands only in the .proto files" for one in stated - expected]
        found += [f"{name}: `{one}` stands only in the contract" for one in expected - stated]
    return sorted(found)


def lines_of(text: str) -> Iterator[Line]:
    """Read a `.proto` file, line by line; a field inside a oneof belongs to the message around it."""
    open_blocks: list[tuple[str, str]] = []
    for line in text.splitlines():
        if opening := _OPENING.match(line):
            sort, name, closed = opening.groups()
            yield Line(line, owner=sort, name=name)
            if not closed:
                open_blocks.append((sort, name))
        elif rpc := _RPC.match(line):
            declaration, name, streamed, request = rpc.groups()
            yield Line(line, "rpc", name, declaration, caller_streams=bool(streamed), request=request)
        elif open_blocks and (found := _FIELD.match(line)):
            owner = next(name for sort, name in reversed(open_blocks) if sort == "message")
            yield Line(line, owner, found[2], found[1])
        else:
            if line.strip() == "}":
                open_blocks.pop()
            yield Line(line)


def _add_message(contract: Contract, name: str, struct: Any) -> None:
    if name in contract.messages:
        return
    contract.messages[name] = set()
    contract.comments["message", name] = summary(struct)
    for told in fields_of(struct):
        contract.messages[name].add(_declaration(told))
        contract.comments[name, told.name] = told.sentence
        if len(members(told.type)) > 1 and is_struct(members(told.type)[0]):
            _add_union(contract, told)
        else:
            for part in _held(told.type):
                _add_message(contract, part.__name__, part)


def _add_union(contract: Contract, told: Told) -> None:
    """A union of tagged structs is a message that holds one oneof."""
    name = _camel(told.name)
    contract.messages[name] = set()
    contract.comments["message", name] = told.description
    for member in members(told.type):
        tag = tag_of(member)
        if tag is None:
            raise TypeError(f"{member} is one of several in {told.name!r} and has no tag; give it one")
        form = _form_of(member)
        contract.messages[name].add(f"{form.__name__} {tag[1]}")
        contract.comments[name, tag[1]] = summary(member)
        _add_message(contract, form.__name__, form)


def _form_of(member: type) -> type:
    """Return the base that a union's member takes its fields from: members that add no field share a message."""
    names = msgspec.structs.fields(member)
    alike = [base for base in member.__mro__ if is_struct(base) and msgspec.structs.fields(base) == names]
    return alike[-1]


def _held(annotation: Any) -> Iterator[type]:
    if is_struct(annotation):
        yield annotation
    elif get_origin(annotation) is tuple:
        yield from _held(get_args(annotation)[0])


def _declaration(told: Told) -> str:
    kind = _type_name(told)
    scalar = kind in SCALARS.values()
    # A list has no presence in protobuf: an absent one is an empty one there.
    single = not kind.startswith(("repeated ", "map<"))
    optional = single and (told.nullable or (scalar and not told.required and bool(told.default)))
    return f"{'optional ' if optional else ''}{kind} {told.name}"


def _type_name(told: Told) -> str:
    origin, arguments = get_origin(told.type), get_args(told.type)
    if origin is tuple:
        return f"repeated {_name_of_one(arguments[0])}"
    if origin is dict:
        return f"map<string, {SCALARS[arguments[1]]}>" if arguments[1] in SCALARS else STRUCT
    if len(members(told.type)) > 1:
        return _camel(told.name)
    return _name_of_one(told.type)


def _name_of_one(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return "string"
    if is_document(annotation):
        return STRUCT
    if annotation is date:  # in words, as in JSON: protobuf has no date
        return "string"
    if annotation is datetime:
        return "google.protobuf.Timestamp"
    if is_struct(annotation):
        return class_of(annotation).__name__
    return SCALARS[annotation]


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def main() -> None:
    """Write the comments into the `.proto` files; exit with 1 where their structure differs from the contract."""
    files = sorted(Path("proto").rglob("*.proto"))
    contract = contract_of(every_procedure())
    for file in files:
        file.write_text(with_comments(file.read_text(encoding="utf-8"), contract.comments), encoding="utf-8")
    if found := differences([file.read_text(encoding="utf-8") for file in files], contract):
        sys.exit("\n".join(found))


if __name__ == "__main__":
    main()
