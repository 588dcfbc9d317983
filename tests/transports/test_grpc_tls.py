"""TLS and mutual TLS, with certificates made here."""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bridge.api.bridge import Bridge
from bridge.transports.grpc.server import start_grpc
from cerebros.errors import FailedPrecondition
from tests.calling import with_settings
from tests.rpcs import RPCS


class Authority(NamedTuple):
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate


class Pair(NamedTuple):
    """PEM files of a certificate and its key."""

    cert: Path
    key: Path


def _certificate(name: str, key: ec.EllipticCurvePrivateKey, issuer: Authority | None) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    hour = datetime.timedelta(hours=1)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - hour)
        .not_valid_after(now + hour)
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(issuer.key if issuer else key, hashes.SHA256())
    )


def authority(name: str) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    return Authority(key, _certificate(name, key, None))


@pytest.fixture(scope="module")
def ca() -> Authority:
    return authority("test authority")


@pytest.fixture
def pair(tmp_path: Path) -> Callable[[str, Authority], Pair]:
    def made(name: str, issuer: Authority) -> Pair:
        key = ec.generate_private_key(ec.SECP256R1())
        files = Pair(tmp_path / f"{name}.pem", tmp_path / f"{name}.key")
        files.cert.write_bytes(_certificate(name, key, issuer).public_bytes(serialization.Encoding.PEM))
        files.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return files

    return made


@pytest.fixture
def ca_file(ca: Authority, tmp_path: Path) -> Path:
    file = tmp_path / "ca.pem"
    file.write_bytes(ca.certificate.public_bytes(serialization.Encoding.PEM))
    return file


@asynccontextmanager
async def serving(bridge: Bridge, socket: Path | None = None, **tls: Path) -> AsyncIterator[str]:
    chosen = {f"grpc_tls_{name}": str(file) for name, file in tls.items()}
    secured = with_settings(bridge, **chosen)
    server = await start_grpc(secured, address="127.0.0.1:0", socket_path=socket)
    try:
        yield f"127.0.0.1:{server.port}"
    finally:
        await server.stop(grace_s=0)


async def health(channel: grpc.aio.Channel) -> str:
    rpc = RPCS["health"]
    async with channel:
        answer = await channel.unary_unary(rpc.path)(b"", timeout=5)
    return rpc.reply.FromString(answer).status


def trusting(ca_file: Path, pair: Pair | None = None) -> grpc.ChannelCredentials:
    return grpc.ssl_channel_credentials(
        ca_file.read_bytes(), pair and pair.key.read_bytes(), pair and pair.cert.read_bytes()
    )


async def refused(channel: grpc.aio.Channel) -> bool:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await health(channel)
    return error.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_tls_serves_who_trusts_its_authority_and_nobody_in_the_clear(bridge, ca, ca_file, pair, tmp_path):
    server = pair("server", ca)
    other = tmp_path / "other.pem"
    other.write_bytes(authority("somebody else").certificate.public_bytes(serialization.Encoding.PEM))

    async with serving(bridge, cert=server.cert, key=server.key) as address:
        assert await health(grpc.aio.secure_channel(address, trusting(ca_file))) == "serving"
        assert await refused(grpc.aio.insecure_channel(address))
        assert await refused(grpc.aio.secure_channel(address, trusting(other)))


async def test_mutual_tls_serves_only_clients_that_the_authority_signed(bridge, ca, ca_file, pair):
    server, client, stranger = pair("server", ca), pair("client", ca), pair("stranger", authority("somebody else"))

    async with serving(bridge, cert=server.cert, key=server.key, client_ca=ca_file) as address:
        assert await health(grpc.aio.secure_channel(address, trusting(ca_file, client))) == "serving"
        assert await refused(grpc.aio.secure_channel(address, trusting(ca_file)))
        assert await refused(grpc.aio.secure_channel(address, trusting(ca_file, stranger)))


async def test_the_socket_beside_it_stays_plain(bridge, ca, pair, tmp_path):
    server = pair("server", ca)
    socket = tmp_path / "s"

    async with serving(bridge, socket, cert=server.cert, key=server.key):
        assert await health(grpc.aio.insecure_channel(f"unix:{socket}")) == "serving"


async def test_half_a_pair_or_an_unreadable_file_is_refused_with_the_setting(bridge, ca, pair, tmp_path):
    server = pair("server", ca)
    nowhere = tmp_path / "nowhere.pem"
    for tls, setting in (
        ({"cert": server.cert}, "CEREBROS_GRPC_TLS_KEY"),
        ({"client_ca": server.cert}, "CEREBROS_GRPC_TLS_CERT"),
        ({"cert": nowhere, "key": server.key}, "CEREBROS_GRPC_TLS_CERT"),
        ({"cert": server.cert, "key": server.key, "client_ca": nowhere}, "CEREBROS_GRPC_TLS_CLIENT_CA"),
    ):
        with pytest.raises(FailedPrecondition, match=setting):
            async with serving(bridge, **tls):
                pass


async def test_a_file_that_is_no_certificate_is_refused(bridge, ca, pair, tmp_path):
    server = pair("server", ca)
    words = tmp_path / "words.pem"
    words.write_text("no certificate")

    with pytest.raises(FailedPrecondition, match="gRPC cannot listen"):
        async with serving(bridge, cert=words, key=server.key):
            pass
