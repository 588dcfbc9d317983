"""The shipped gRPC contract as a client sees it."""

from __future__ import annotations

from typing import Any

from google.protobuf.message import Message

from bridge.transports.grpc.codec import Rpc, rpcs_of, shipped_services

SHIPPED = rpcs_of(shipped_services())
RPCS: dict[str, Rpc] = {rpc.procedure: rpc for rpc in SHIPPED if not rpc.credited}
ATTACH = next(rpc for rpc in SHIPPED if rpc.credited)


def message(name: str, /, **fields: Any) -> Message:
    """A procedure's request from the map that other transports take."""
    return RPCS[name].request(**with_cases(fields))


def with_cases(fields: dict[str, Any]) -> dict[str, Any]:
    """The map with its tagged unions as protobuf writes them: `{kind: nas, …}` is `{nas: {…}}`."""
    return {
        name: {value["kind"]: {key: part for key, part in value.items() if key != "kind"}}
        if isinstance(value, dict) and "kind" in value
        else value
        for name, value in fields.items()
    }
