"""What the documents say is there, is there."""

import json
import re
import tomllib
from pathlib import Path

import msgspec
import pytest

from bridge.cli.settings_table import settings_table, with_table
from bridge.process.settings import hints_of
from bridge.service import SETTINGS
from cerebros.data.manifest import manifest_schema, parse_manifest

ROOT = Path(__file__).parent.parent
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(page):
    links = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_every_file_the_architecture_names_exists():
    text = (ROOT / "docs/ARCHITECTURE.md").read_text()
    rooms = ("bridge", "cerebros", "grid_graphql", "telemetry", "priv", "proto", "docs")
    files = [path.as_posix() for room in rooms for path in (ROOT / room).rglob("*.*")]
    named = set(re.findall(r"`([\w/]+\.(?:py|sql|proto|md))", text))
    assert [name for name in named if not any(file.endswith(f"/{name}") for file in files)] == []


def test_the_exported_json_schema_is_the_one_in_force():
    assert json.loads((ROOT / "docs/manifest.schema.json").read_text()) == manifest_schema()


@pytest.mark.parametrize("example", sorted((ROOT / "examples").glob("*.toml")), ids=lambda path: path.stem)
def test_every_example_is_a_valid_manifest(example):
    assert parse_manifest(example.read_text(), example.name).name == example.stem


def test_every_requirement_is_pinned_exactly():
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    pins = {re.sub(r"[-_.]+", "-", line.split("==")[0]).lower(): line for line in lines}
    assert all(re.fullmatch(r"[\w.-]+==[\w.!]+", line) for line in lines)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = project["dependencies"] + [name for extra in project["optional-dependencies"].values() for name in extra]
    names = {re.split(r"[\[; ]", name)[0].lower() for name in wanted}
    assert names <= pins.keys()


def test_the_readme_has_every_setting_as_its_room_declares_it():
    page = (ROOT / "README.md").read_text()
    section = page.split("## Settings")[1].split("\n## ")[0]
    assert [line for line in section.splitlines() if line.startswith("|")] == settings_table().splitlines()
    assert with_table(page.replace(settings_table(), "| old |\n| older |")) == page


def test_every_setting_says_what_it_means():
    fields = [field for room in SETTINGS for field in msgspec.structs.fields(room)]
    assert [field.name for field in fields if not hints_of(field).get("description")] == []


def test_the_readme_needs_two_commands_for_set_up():
    text = (ROOT / "README.md").read_text()
    assert re.findall(r"^make (\w+)", text.split("## Set-up")[1].split("\n## ")[0], re.MULTILINE) == ["run", "test"]
