"""GraphiQL is served from here, needs nothing from elsewhere, and may do nothing elsewhere (issue 11, kind 22)."""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import AsyncIterator

import httpx
import pytest

from bridge.api.bridge import Bridge
from bridge.process.settings import shipped
from bridge.transports.http.app import make_app
from bridge.transports.http.console import FILES

VENDORED = re.findall(r"^\| `([\w.-]+)` \|.*\| `(\w{64})` \|$", (shipped("console") / "README.md").read_text(), re.M)


@pytest.fixture
async def http(bridge: Bridge) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=make_app(bridge))
    async with httpx.AsyncClient(base_url="http://bridge", transport=transport) as client:
        yield client


async def test_the_console_loads_its_files_from_here_alone(http):
    page = (await http.get("/console")).text
    loaded = re.findall(r'(?:src|href)="([^"]*)"', page)

    assert sorted(loaded) == sorted(f"/console/{name.removesuffix('.gz')}" for name in FILES)
    for file in loaded:
        answer = await http.get(file)
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/css" if file.endswith(".css") else "text/javascript")
    assert "://" not in page


@pytest.mark.parametrize(("name", "digest"), VENDORED)
async def test_a_vendored_file_is_the_one_that_its_licence_was_read_for(http, name, digest):
    served = (await http.get(f"/console/{name}")).content

    assert hashlib.sha256(served).hexdigest() == digest
    assert served == gzip.decompress((shipped("console") / f"{name}.gz").read_bytes())


def test_every_vendored_file_has_its_digest():
    assert {name for name, _ in VENDORED} == {name.removesuffix(".gz") for name in FILES if name.endswith(".gz")}


@pytest.mark.parametrize("path", ["/", "/console"])
async def test_every_page_forbids_what_it_does_not_need(http, path):
    answer = await http.get(path)

    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    assert {policy[one] for one in ("default-src", "base-uri", "form-action", "frame-ancestors")} == {"'none'"}
    assert set(policy.get("script-src", "'none'").split()) <= {"'self'", "'none'"}
    assert not re.search(r"https?:|\*|unsafe-eval", answer.headers["content-security-policy"])
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["referrer-policy"] == "no-referrer"


async def test_the_console_has_no_script_or_style_of_its_own_in_the_page(http):
    page = (await http.get("/console")).text

    assert re.findall(r"<script[^>]*>([^<]*)</script>", page) == [""] * 4
    assert not re.search(r"<style|\sstyle=|\son\w+=", page)


@pytest.mark.parametrize("path", ["/console/../app.py", "/console/README.md", "/console/%2e%2e/sql/schema.sql"])
async def test_nothing_else_is_served_beside_the_console(http, path):
    assert (await http.get(path)).status_code == 404
