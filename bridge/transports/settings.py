"""Settings of the transports: their addresses, and TLS for gRPC."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from bridge.process.settings import Address


class GrpcSettings(msgspec.Struct, frozen=True, kw_only=True):
    grpc_address: Annotated[Address, Meta(description="Address of gRPC, `host:port`.")] = "127.0.0.1:50051"
    grpc_tls_cert: Annotated[
        str, Meta(description="PEM file of the certificate; with `CEREBROS_GRPC_TLS_KEY`, gRPC speaks TLS.")
    ] = ""
    grpc_tls_key: Annotated[str, Meta(description="PEM file of the certificate's private key.")] = ""
    grpc_tls_client_ca: Annotated[
        str, Meta(description="PEM file; with it, only clients that it signed are served (mutual TLS).")
    ] = ""


class HttpSettings(msgspec.Struct, frozen=True, kw_only=True):
    http_address: Annotated[Address, Meta(description="Address of HTTP, `host:port`.")] = "127.0.0.1:8088"
