"""What the documents say is there, is there."""

import ast
import importlib
import json
import re
import tomllib
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from grpc_tools import protoc

from bridge.cli.proto_comments import contract_of, differences, every_procedure, with_comments
from bridge.cli.reference import reference
from bridge.cli.settings_table import settings_table, with_table
from bridge.contract.nas import Cycle, Nas
from bridge.contract.runs import StartRun
from bridge.contract.telling import class_of, fields_of, members, reachable, summary, tag_of
from bridge.contract.words import VOCABULARIES
from bridge.service import KINDS, SETTINGS
from cerebros.data.manifest import Manifest, manifest_schema, parse_manifest
from telemetry.events import VOCABULARY

MESSAGES = reachable(
    *(message for procedure in every_procedure() for message in (procedure.request, procedure.reply)),
    *(kind.spec for kind in KINDS),
    Manifest,
)
ROOT = Path(__file__).parent.parent
PROTOS = sorted(ROOT.glob("proto/**/*.proto"))
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


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


@pytest.mark.parametrize("room", ["bridge", "cerebros", "grid_graphql", "telemetry"])
def test_no_docstring_begins_as_an_indirect_question(room):
    files = [file for file in sorted((ROOT / room).rglob("*.py")) if not file.is_relative_to(ROOT / "bridge/pb")]
    nodes = [(file, node) for file in files for node in ast.walk(ast.parse(file.read_text()))]
    told = [(file, ast.get_docstring(node) or "") for file, node in nodes if isinstance(node, DOCUMENTED)]
    asking = re.compile(r"(What|Whether|How|Who|Where|So)\b")
    assert [f"{file.relative_to(ROOT)}: {text}" for file, text in told if asking.match(text)] == []


def test_the_exported_json_schema_is_the_one_in_force():
    assert json.loads((ROOT / "docs/manifest.schema.json").read_text()) == manifest_schema()


def test_the_reference_manual_is_the_one_that_the_code_makes():
    assert (ROOT / "docs/reference.md").read_text() == reference()


def test_a_link_within_the_reference_manual_leads_to_a_heading():
    page = (ROOT / "docs/reference.md").read_text()
    headings = re.findall(r"^#+ (.*)$", page, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert set(re.findall(r"\]\(#([^)]+)\)", page)) - anchors == set()


@pytest.mark.parametrize("event", VOCABULARY, ids=lambda event: event.name)
def test_every_event_says_what_it_means(event):
    assert summary(event).endswith(".")


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
    fields = [field for room in SETTINGS for field in fields_of(room)]
    assert [field.name for field in fields if not field.description] == []


def test_the_readme_needs_two_commands_for_set_up():
    text = (ROOT / "README.md").read_text()
    assert re.findall(r"^make (\w+)", text.split("## Set-up")[1].split("\n## ")[0], re.MULTILINE) == ["run", "test"]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: class_of(message).__name__)
def test_every_message_and_each_of_its_fields_says_what_it_means(message):
    assert summary(message).endswith(".")
    assert [field.name for field in fields_of(message) if not field.description.endswith(".")] == []


def test_a_description_leaves_spelling_to_the_transports():
    told = [summary(message) for message in MESSAGES]
    told += [field.description for message in MESSAGES for field in fields_of(message)]
    assert [text for text in told if re.search(r"`[a-z]+[A-Z]", text)] == []


def test_every_vocabulary_that_a_message_uses_is_told():
    used = {field.choices for message in MESSAGES for field in fields_of(message) if field.choices}
    # The manifest's are told by its own schema.
    of_manifest = {field.choices for field in fields_of(Manifest)}
    assert used - of_manifest <= {vocabulary.words for vocabulary in VOCABULARIES.values()}


def test_a_field_is_told_with_its_rule_and_its_default():
    fields = {field.name: field for field in fields_of(StartRun[Nas | Cycle])}
    assert {tag_of(member) for member in members(fields["spec"].type)} == {("kind", "nas"), ("kind", "cycle")}
    assert (fields["priority"].rule, fields["priority"].default_in_words) == ("0 to 9", "0")
    assert fields["queue"].sentence.endswith(" `cpu` or `gpu`; `cpu` when absent.")
    assert fields["pac_id"].required
    assert (fields["deadline_s"].nullable, fields["deadline_s"].type) == (True, float)
    assert fields["deadline_s"].rule == "above 0, at most 2,592,000"


def test_the_proto_files_state_what_the_contract_does():
    assert differences([file.read_text() for file in PROTOS], contract_of(every_procedure())) == []


@pytest.mark.parametrize("file", PROTOS, ids=lambda file: file.stem)
def test_a_comment_in_a_proto_file_is_the_contracts(file):
    assert with_comments(file.read_text(), contract_of(every_procedure()).comments) == file.read_text()


@pytest.mark.parametrize(
    ("stated", "altered", "told"),
    [
        ("  int64 priority = 7;\n", "", "StartRunRequest: `int64 priority` stands only in the contract"),
        ("int64 priority = 7;", "double priority = 7;", "`double priority` stands only in the .proto files"),
        ("SearchSpec cycle = 2;", "SearchSpec ride = 2;", "Spec: `SearchSpec cycle` stands only in the contract"),
        (
            "rpc GetRun(GetRunRequest) returns (Run);\n",
            "",
            "rpc GetRun(GetRunRequest) returns (Run): only in the contract",
        ),
        ("message RunList {", "message RunLists {", "message RunLists: only in the .proto files"),
    ],
)
def test_a_difference_between_a_proto_file_and_the_contract_is_reported(stated, altered, told):
    texts = {file.stem: file.read_text() for file in PROTOS}
    assert stated in texts["runs"]
    texts["runs"] = texts["runs"].replace(stated, altered, 1)
    assert told in "\n".join(differences(texts.values(), contract_of(every_procedure())))


def test_the_generated_protobuf_is_that_of_the_proto_files(tmp_path):
    out = tmp_path / "files.binpb"
    folders = [f"-I{ROOT / 'proto'}", f"-I{Path(protoc.__file__).parent / '_proto'}"]
    assert protoc.main(["protoc", *folders, f"--descriptor_set_out={out}", *map(str, PROTOS)]) == 0
    for stated in FileDescriptorSet.FromString(out.read_bytes()).file:
        module = importlib.import_module(f"bridge.pb.{stated.name.removesuffix('.proto').replace('/', '.')}_pb2")
        kept = FileDescriptorProto.FromString(module.DESCRIPTOR.serialized_pb)
        for field in [field for message in stated.message_type for field in message.field]:
            field.ClearField("json_name")  # protoc adds it to a descriptor set, and not to Python
        for field in [field for message in stated.message_type for map_ in message.nested_type for field in map_.field]:
            field.ClearField("json_name")
        assert kept == stated
