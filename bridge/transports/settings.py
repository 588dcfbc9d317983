"""Settings of the transports: their addresses, the names HTTP answers to, and TLS for gRPC."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from bridge.transports.addresses import Hosts, authority_in, origin_in

Address = Annotated[str, Meta(extra={"rule": "`host:port`"})]


def _check_address(name: str, address: str) -> None:
    authority = authority_in(address)
    if authority is None or authority.port is None:
        raise ValueError(
            f"{name}: {address!r} is no address; write `host:port`, the port 0 to 65535 (0 is any free one), "
            "an IPv6 address in brackets, such as `[::1]:8088`"
        )


class GrpcSettings(msgspec.Struct, frozen=True, kw_only=True):
    grpc_address: Annotated[Address, Meta(description="Address of gRPC, `host:port`.")] = "127.0.0.1:50051"
    grpc_tls_cert: Annotated[
        str, Meta(description="PEM file of the certificate; with `CEREBROS_GRPC_TLS_KEY`, gRPC speaks TLS.")
    ] = ""
    grpc_tls_key: Annotated[str, Meta(description="PEM file of the certificate's private key.")] = ""
    grpc_tls_client_ca: Annotated[
        str, Meta(description="PEM file; with it, only clients that it signed are served (mutual TLS).")
    ] = ""

    def __post_init__(self) -> None:
        _check_address("grpc_address", self.grpc_address)


class HttpSettings(msgspec.Struct, frozen=True, kw_only=True):
    http_address: Annotated[Address, Meta(description="Address of HTTP, `host:port`.")] = "127.0.0.1:8088"
    http_hosts: Annotated[
        tuple[str, ...],
        Meta(
            description="Further hosts that HTTP answers to, separated by commas: names, addresses, networks "
            "(`10.0.0.0/8`). Loopback and the host of `CEREBROS_HTTP_ADDRESS` always are; any other `Host` is refused "
            "with 421."
        ),
    ] = ()
    http_origins: Annotated[
        tuple[str, ...],
        Meta(
            description="Origins whose pages may call HTTP from a browser (CORS), separated by commas, such as "
            "`https://console.example.com`; a page that this server itself sent always may."
        ),
    ] = ()

    def __post_init__(self) -> None:
        _check_address("http_address", self.http_address)
        try:
            Hosts(self.http_hosts)
        except ValueError as problem:
            raise ValueError(f"http_hosts: {problem}; write `bridge.example.com`, `10.0.0.7` or `10.0.0.0/8`") from None
        for origin in self.http_origins:
            if origin_in(origin) is None:
                raise ValueError(f"http_origins: {origin!r} is no origin; write `https://host` or `https://host:port`")
