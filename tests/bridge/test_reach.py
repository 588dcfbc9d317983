"""Callers reach the files of the dataset roots and no others.

Issue 11, kind 2 (the confused deputy), and the files of kind 9 (what holds a thread or a job for ever).
"""

import asyncio
import hashlib
import os
import socket
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.api.bridge import Bridge
from bridge.contract.procedure import Caller
from bridge.datasets import files
from bridge.datasets.files import LINKS_AT_MOST, Reach, Wanted, joined, read_file
from bridge.datasets.manifests import MANIFEST_BYTES_AT_MOST, ManifestThreads, reach_of, read_dataset
from bridge.datasets.sources import read_table
from bridge.datasets.work import Data
from bridge.service import worker_on
from cerebros.data.manifest import parse_manifest
from cerebros.errors import CerebrosError, InvalidArgument, ManifestRejected
from tests.bridge.test_command_line import GOOD_ROWS, csv_manifest
from tests.calling import call, watch, with_settings
from tests.conftest import EXAMPLES

SECRET = "postgresql://cerebros:hunter2@127.0.0.1/cerebros"
OF_TRANSPORTS = [Caller(principal="", transport=name) for name in ("port", "http", "grpc", "erlport")]
USER = Caller(principal="user", transport="cli")


@pytest.fixture
def root(tmp_path):
    """The one root of the datasets, with a sound dataset in it, and secrets beside it."""
    (tmp_path / "root").mkdir()
    csv_manifest(tmp_path / "root", GOOD_ROWS)
    outside = tmp_path / "outside"
    outside.mkdir()
    csv_manifest(outside, GOOD_ROWS)
    (outside / "secret.csv").write_text(SECRET)
    (outside / "secret.toml").write_text(f'database_url = "{SECRET}"\n')
    (outside / "large.toml").write_bytes(b"#" * (MANIFEST_BYTES_AT_MOST + 1))
    (outside / "unreadable.toml").write_text(SECRET)
    (outside / "unreadable.toml").chmod(0)
    (outside / "folder.toml").mkdir()
    os.mkfifo(outside / "pipe.toml")
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(outside / "s.toml"))
    yield tmp_path / "root"
    listening.close()


OUTSIDE = (
    "manifest.toml", "secret.toml", "large.toml", "unreadable.toml", "folder.toml", "pipe.toml", "s.toml",
    "missing.toml", "no/such/folder.toml", "secret.toml/below.toml",
)  # fmt: skip


@pytest.fixture
def limited(bridge: Bridge, root: Path) -> Bridge:
    return with_settings(bridge, dataset_roots=str(root))


async def refusal(bridge, manifest, caller=OF_TRANSPORTS[0], procedure="check_dataset"):
    """The error that a manifest gets, without its name."""
    asked = {"manifest": str(manifest)}
    if procedure != "check_dataset":
        asked = {"spec": {"kind": "nas", **asked}} | ({"pac_id": "p"} if procedure == "start_run" else {})
    with pytest.raises(CerebrosError) as refused:
        await call(bridge, procedure, asked, caller)
    return type(refused.value), refused.value.message.replace(str(manifest), "FILE")


def linked(root: Path, uri: str) -> Path:
    """A manifest in the root whose source is `uri`, with the digest of the secret."""
    text = (root / "manifest.toml").read_text().replace("rows.csv", uri)
    digest = hashlib.sha256(SECRET.encode()).hexdigest()
    lines = [f'sha256 = "{digest}"' if line.startswith("sha256") else line for line in text.splitlines()]
    (root / "evil.toml").write_text("\n".join(lines))
    return root / "evil.toml"


@pytest.mark.parametrize("caller", OF_TRANSPORTS, ids=lambda caller: caller.transport)
async def test_every_transport_reaches_the_datasets_in_the_roots(limited, root, caller):
    for name in (str(root / "manifest.toml"), "manifest.toml", "root/manifest.toml", f"{root}/x/../manifest.toml"):
        assert (await call(limited, "check_dataset", {"manifest": name}, caller)).rows == 40


@pytest.mark.parametrize("procedure", ["check_dataset", "start_run", "estimate"])
@pytest.mark.parametrize("caller", OF_TRANSPORTS, ids=lambda caller: caller.transport)
async def test_a_manifest_outside_gets_one_answer_whatever_it_is(limited, root, caller, procedure):
    outside = root.parent / "outside"
    answers = {await refusal(limited, outside / name, caller, procedure) for name in OUTSIDE}
    through = {await refusal(limited, f"{root}/../outside/{name}", caller, procedure) for name in OUTSIDE}
    of_system = {
        await refusal(limited, name, caller, procedure)
        for name in ("/etc/passwd", "/proc/self/environ", "/dev/zero", "/", "/root/.ssh/id_rsa", "/nowhere")
    }
    assert len(answers | through | of_system) == 1
    ((kind, message),) = answers
    assert kind is ManifestRejected
    assert message.startswith("manifest 'FILE': is in no directory that datasets are read from")


@pytest.mark.parametrize(
    "uri", ["{out}/{name}", "../outside/{name}", "x/../../outside/{name}", "/{out}/{name}", "../root/../outside/{name}"]
)
async def test_a_source_outside_is_refused_at_once_with_one_answer_whatever_it_is(limited, root, uri):
    out = root.parent / "outside"
    (out / "rows.csv").chmod(0)
    os.mkfifo(out / "pipe.csv")
    answers = set()
    for name in ("secret.csv", "rows.csv", "pipe.csv", "missing.csv", "secret.toml", "folder.toml"):
        spelt = uri.format(out=out, name=name)
        for procedure in ("check_dataset", "start_run"):
            kind, message = await refusal(limited, linked(root, spelt), procedure=procedure)
            answers.add((kind, message.replace(spelt, "SOURCE")))
    ((kind, message),) = answers
    assert kind is ManifestRejected
    assert message.startswith("SOURCE: is in no directory that datasets are read from")


async def test_a_link_out_of_the_roots_is_not_followed_and_says_nothing_of_its_end(limited, root):
    out = root.parent / "outside"
    (root / "folder").symlink_to(out)
    for name in OUTSIDE:
        (root / f"link-{name.replace('/', '-')}").symlink_to(out / name)
    inner = {await refusal(limited, root / "folder" / name) for name in OUTSIDE}
    links = {await refusal(limited, root / f"link-{name.replace('/', '-')}") for name in OUTSIDE}
    assert len(inner | links) == 1
    answers = set()
    for name in ("secret.csv", "missing.csv", "folder.csv"):
        (root / name).symlink_to(f"../outside/{name}")
        for uri in (name, f"folder/{name}"):
            kind, message = await refusal(limited, linked(root, uri))
            answers.add((kind, message.replace(uri, "SOURCE")))
    assert len(answers) == 1
    assert SECRET not in str(answers)


async def test_links_that_stay_in_the_roots_are_followed(limited, root):
    (root / "real").mkdir()
    for name in ("manifest.toml", "rows.csv"):
        (root / name).rename(root / "real" / name)
    (root / "alias").symlink_to("real")
    (root / "other.toml").symlink_to(root / "alias" / "manifest.toml")
    for name in ("alias/manifest.toml", "other.toml", str(root / "other.toml")):
        assert (await call(limited, "check_dataset", {"manifest": name}, OF_TRANSPORTS[0])).rows == 40


async def test_a_root_may_be_named_by_a_link_or_by_its_real_path(bridge, root):
    (root.parent / "spelt").symlink_to(root)
    limited = with_settings(bridge, dataset_roots=str(root.parent / "spelt"))
    for name in (root.parent / "spelt" / "manifest.toml", root / "manifest.toml"):
        assert (await call(limited, "check_dataset", {"manifest": str(name)}, OF_TRANSPORTS[0])).rows == 40


async def test_the_home_is_out_of_reach_inside_a_root_too_all_but_its_datasets(bridge, tmp_path):
    home = tmp_path / "home"
    (home / "datasets").mkdir(parents=True)
    csv_manifest(home / "datasets", GOOD_ROWS)
    csv_manifest(home, GOOD_ROWS)
    (home / "datasets" / "loop").symlink_to("..")
    (tmp_path / "aside").symlink_to(home)
    (home / "cerebros.toml").write_text(f'database_url = "{SECRET}"\n')
    (home / "artifacts").mkdir()
    (home / "artifacts" / "a.toml").write_text(SECRET)
    names = ("cerebros.toml", "manifest.toml", "missing.toml", "artifacts/a.toml", "artifacts/missing.toml")
    folders = (home, tmp_path / "aside", home / "datasets" / "..", home / "datasets" / "loop")
    for roots in (tmp_path, home, home / "datasets", home / "artifacts"):
        limited = with_settings(bridge, home=str(home), dataset_roots=f"{roots}:{home / 'datasets'}")
        answers = {await refusal(limited, folder / name) for name in names for folder in folders}
        assert len(answers) == 1
        assert "is in no directory" in answers.pop()[1]
        sound = {"manifest": str(home / "datasets" / "manifest.toml")}
        assert (await call(limited, "check_dataset", sound, OF_TRANSPORTS[0])).rows == 40


async def test_by_default_the_examples_and_the_homes_datasets_are_in_reach_and_the_working_directory_is_not(
    bridge, tmp_path, monkeypatch
):
    home = tmp_path / "home"
    (home / "datasets").mkdir(parents=True)
    csv_manifest(home / "datasets", GOOD_ROWS)
    csv_manifest(tmp_path, GOOD_ROWS)
    monkeypatch.chdir(tmp_path)
    usual = with_settings(bridge, home=str(home), dataset_roots="")
    for name in ("manifest.toml", "datasets/manifest.toml", str(home / "datasets/manifest.toml")):
        assert (await call(usual, "check_dataset", {"manifest": name}, OF_TRANSPORTS[0])).rows == 40
    for name in ("digits.toml", "examples/digits.toml", str(EXAMPLES / "digits.toml")):
        assert (await call(usual, "check_dataset", {"manifest": name}, OF_TRANSPORTS[0])).rows == 1797
    assert "is in no directory" in (await refusal(usual, tmp_path / "manifest.toml"))[1]


@pytest.mark.parametrize("name", [".hidden.toml", ".ssh/m.toml", "a/.b/m.toml", "...toml"])
async def test_hidden_files_are_out_of_reach(limited, root, name):
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text((root / "manifest.toml").read_text())
    there = await refusal(limited, root / name)
    (root / name).unlink()
    assert there == await refusal(limited, root / name)
    assert "is in no directory" in there[1]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("id_rsa", "-----BEGIN OPENSSH PRIVATE KEY-----\n"),
        ("key.toml", "-----BEGIN OPENSSH PRIVATE KEY-----\nhunter2\n"),
        ("cerebros.toml", f'database_url = "{SECRET}"\n'),
        ("twice.toml", "hunter2 = 1\nhunter2 = 2\n"),
        ("pgpass.toml", "127.0.0.1:5432:*:cerebros:hunter2\n"),
        ("broken.toml", 'hunter2 = "\x01"'),
        ("latin.toml", "hunter2 = 'ü'".encode("latin-1")),
        ("schemas.toml", "the schema = hunter2\nschemas = 1\n"),
    ],
)
async def test_nothing_is_told_of_a_file_in_the_roots_that_is_no_manifest(limited, root, name, content):
    (root / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    (kind, message) = await refusal(limited, root / name)
    assert kind is ManifestRejected
    words = message.replace("FILE", "").split("; ")[0]
    for told in ("hunter2", "BEGIN", "KEY", "database_url", "line 1", "line 2", "column", "5432", "xfc", "schemas"):
        assert told not in words


@pytest.mark.parametrize("uri", ["id_rsa", "key.pem", "secret", "rows.csv%00", "file:///etc/passwd", "~/.ssh/id_rsa"])
async def test_a_source_in_the_roots_that_is_no_table_is_not_opened(limited, root, uri):
    os.mkfifo(root / "secret")  # opening it to read would wait for ever, or say what it is
    (root / "id_rsa").write_text(SECRET)
    (kind, message) = await refusal(limited, linked(root, uri))
    assert kind is ManifestRejected
    assert "is not read; use .csv" in message or "is in no directory" in message
    assert SECRET not in message


@pytest.mark.parametrize(
    "name",
    ["a\0b.toml", "\ud800.toml", "C:\\x.toml", "file:///etc/x.toml", "a%2f..%2f..%2fx.toml", "x" * 300 + ".toml"],
)
async def test_odd_names_are_typed_errors(limited, root, name):
    assert issubclass((await refusal(limited, name))[0], InvalidArgument)  # some are refused as texts already
    with pytest.raises(ManifestRejected, match="cannot be read"):
        read_dataset(name, Reach((str(root),)))


async def test_a_link_put_in_place_after_the_judgement_is_not_followed(root, monkeypatch):
    """The race of the attacker who can write into a root: the name is a file when it is judged, a link when opened."""
    secret, reach = root.parent / "outside" / "secret.csv", Reach((str(root),))
    opened = os.open

    def swapping(path, flags, mode=0o777, *, dir_fd=None):
        if path == "rows.csv":
            (root / "rows.csv").unlink()
            (root / "rows.csv").symlink_to(secret)
        if path == "deep":
            (root / "deep").rmdir()
            (root / "deep").symlink_to(secret.parent)
        return opened(path, flags, mode, dir_fd=dir_fd)

    (root / "deep").mkdir()
    monkeypatch.setattr(files.os, "open", swapping)
    for name in ("rows.csv", "deep/secret.csv"):
        with pytest.raises(ManifestRejected) as refused:
            read_file(Wanted(name, 1000, "x"), str(root / name), reach)
        assert SECRET not in refused.value.message


async def test_the_worker_reads_no_file_that_was_out_of_the_callers_reach(limited, root):
    """The reach is stored with the run: a source that becomes a link out of the roots after the start is not read."""
    start = {
        "pac_id": "p",
        "run_id": f"swapped-{root.parent.name}",
        "spec": {"kind": "nas", "manifest": "manifest.toml"},
    }
    await call(limited, "start_run", start, OF_TRANSPORTS[0])
    (root / "rows.csv").unlink()
    (root / "rows.csv").symlink_to(root.parent / "outside" / "rows.csv")  # with the very digest
    working = asyncio.create_task(worker_on(limited, only=start["run_id"]).work())
    async for _ in watch(limited, {"run_id": start["run_id"]}):
        pass
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    run = await call(limited, "get_run", {"run_id": start["run_id"]})
    assert run.state == "failed"
    assert "rows.csv: is in no directory that datasets are read from" in run.error.message


async def test_a_run_of_an_earlier_version_reads_below_its_manifest_alone(root):
    data = Data(parse_manifest((root / "manifest.toml").read_text(), "m"), str(root))
    assert len(read_table(data.manifest, Path(data.base), data.reach).parts) == 1
    evil = parse_manifest(linked(root, "../outside/secret.csv").read_text(), "m")
    with pytest.raises(ManifestRejected, match="is in no directory"):
        read_table(evil, Path(data.base), data.reach)


async def test_the_users_own_command_reads_what_the_user_may_read(limited, root, monkeypatch):
    outside = root.parent / "outside"
    (outside / ".hidden").mkdir()
    for name in ("manifest.toml", "rows.csv"):
        (outside / name).rename(outside / ".hidden" / name)
    (outside / ".hidden" / "manifest.toml").rename(outside / ".hidden" / "manifest")
    (root / "link").symlink_to(outside / ".hidden" / "manifest")
    monkeypatch.chdir(outside)
    for name in (".hidden/manifest", str(root / "link"), "../root/link"):
        assert (await call(limited, "check_dataset", {"manifest": name}, USER)).rows == 40


@pytest.mark.parametrize("caller", [OF_TRANSPORTS[0], USER], ids=["port", "cli"])
async def test_pipes_devices_and_large_files_are_refused_within_a_moment(limited, root, caller):
    os.mkfifo(root / "pipe.toml")
    os.mkfifo(root / "pipe.csv")
    with (root / "sparse.csv").open("wb") as file:
        file.truncate(100 * 2**30)
    (root / "large.toml").write_bytes(b"schema = 1\n" + b"#" * MANIFEST_BYTES_AT_MOST)
    async with asyncio.timeout(30):  # for ever, without the guard
        assert "not a regular file" in (await refusal(limited, root / "pipe.toml", caller))[1]
        assert "65,536 are read at most" in (await refusal(limited, root / "large.toml", caller))[1]
        assert "not a regular file" in (await refusal(limited, linked(root, "pipe.csv"), caller))[1]
        sparse = (await refusal(limited, linked(root, "sparse.csv"), caller))[1]
    assert "has 107,374,182,400 bytes, 1,073,741,824 are read at most" in sparse
    assert "CEREBROS_SOURCE_BYTES_AT_MOST" in sparse


def test_what_is_no_regular_file_is_not_even_opened(root):
    """Opening acts: it lets the writer of a pipe go on, it rewinds a tape, it starts a watchdog."""
    os.mkfifo(root / "pipe.csv")
    opened = threading.Event()

    def write():
        with (root / "pipe.csv").open("wb"):  # waits for a reader
            opened.set()

    writer = threading.Thread(target=write)
    writer.start()
    for _ in range(50):  # the writer waits at one of them, if not at the first
        with pytest.raises(ManifestRejected, match="not a regular file"):
            read_file(Wanted("pipe.csv", 1000, "x"), str(root / "pipe.csv"), Reach((str(root),)))
        assert not opened.wait(0.01)
    with (root / "pipe.csv").open("rb"):
        writer.join()


async def test_a_file_of_proc_is_read_up_to_the_limit_and_not_for_ever():
    everything = Reach(("/",), any_name=True)
    content = read_file(Wanted("own", 2**16, "x"), "/proc/self/status", everything).content
    assert content.startswith(b"Name:")
    with pytest.raises(ManifestRejected, match="1,001 bytes, 1,000 are read"):
        read_file(Wanted("own", 1000, "x"), "/proc/self/smaps", everything)


async def test_more_links_than_the_system_follows_are_refused(limited, root):
    (root / "0.toml").symlink_to("manifest.toml")
    for number in range(LINKS_AT_MOST + 1):
        (root / f"{number + 1}.toml").symlink_to(f"{number}.toml")
    assert (await call(limited, "check_dataset", {"manifest": "9.toml"}, OF_TRANSPORTS[0])).rows == 40
    assert "links" in (await refusal(limited, root / f"{LINKS_AT_MOST + 1}.toml"))[1]


async def test_manifests_whose_disk_hangs_hold_neither_other_threads_nor_callers_past_their_deadlines(
    limited, root, monkeypatch
):
    answers = threading.Event()
    monkeypatch.setattr("bridge.datasets.manifests.read_file", lambda *_: answers.wait())
    try:
        for _ in range(40):  # more than the shared pool has threads on any machine
            hurried = Caller(principal="", transport="http", deadline=time.monotonic() + 0.05)
            kind, _ = await refusal(limited, "manifest.toml", hurried)
            assert kind.code == "DEADLINE_EXCEEDED"
        async with asyncio.timeout(30):
            assert await asyncio.to_thread(divmod, 7, 2) == (3, 1)
    finally:
        answers.set()
        limited.deps.rooms_parts.pop(ManifestThreads)


@given(st.lists(st.sampled_from(["..", ".", "a", "b", "root", "", "~", ".ssh"]), max_size=8), st.booleans())
def test_no_spelling_leads_out_of_a_root(parts, absolute):
    reach = Reach(("/srv/root",), home="/srv/home")
    name = "/".join(parts)
    for path in reach.meanings("/srv/root/" + name if absolute else name):
        place = reach.place(path)
        assert place is None or (place.path + "/").startswith("/srv/root/")
        assert place is None or ".." not in place.names


def test_what_a_caller_reaches_is_decided_by_its_transport(settings):
    assert reach_of(USER, settings).roots == ("/",)
    for caller in OF_TRANSPORTS:
        reach = reach_of(caller, settings.changed(dataset_roots=f"/srv/a:~/b:{joined('/srv', 'c')}"))
        assert reach.roots == ("/srv/a", os.path.expanduser("~/b"), "/srv/c")
        assert (reach.home, reach.any_name) == (str(settings.home), False)
