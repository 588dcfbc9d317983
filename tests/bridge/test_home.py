"""The home: its one server, what dead processes left in it, and homes of every name and in every state.

Issue 11, kinds 10 and 19.
"""

import asyncio
import fcntl
import json
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec
import pytest

from bridge.cli.doctor import examine as findings_of
from bridge.policy.seal import Seal
from bridge.process.files import files_answered
from bridge.process.home import SOCKET_PATH_BYTES, Server, check_socket_path, served_home
from bridge.process.settings import read_settings
from bridge.service import SETTINGS, open_bridge
from bridge.store.artifacts import sweep_drafts
from bridge.store.embedded import embedded_postgres
from bridge.transports.grpc.server import start_grpc
from cerebros.errors import FailedPrecondition, InvalidArgument, ResourceExhausted, Unavailable

ODD = "a,b%2Fc#d?e f'g\"h\\i=j:k&l家"
LONG = "家" * 60


@pytest.fixture
def short_path():
    """A directory whose path is short: what is left of a socket's 107 bytes is the home's name."""
    with tempfile.TemporaryDirectory(prefix="h", dir="/tmp") as directory:
        yield Path(directory)


def settings_at(home, url=""):
    return read_settings(SETTINGS, {"CEREBROS_HOME": str(home), "DATABASE_URL": url})


def test_a_second_server_of_a_home_is_refused_and_the_first_keeps_what_it_has(tmp_path):
    with served_home(tmp_path, "gRPC here") as ours:
        assert ours
        code = (
            "import sys; from pathlib import Path; from bridge.process.home import served_home\n"
            "served_home(Path(sys.argv[1]), 'gRPC there').__enter__()"
        )
        done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=60)
        assert f"FailedPrecondition: home {tmp_path} is served by process {os.getpid()} (gRPC here)" in done.stderr
        assert "another CEREBROS_HOME" in done.stderr
    with served_home(tmp_path, "again") as ours:
        assert ours
    with pytest.raises(FailedPrecondition, match="cannot be used"), served_home(tmp_path / "absent", "nowhere"):
        pass


def test_a_home_shared_with_another_machine_is_served_without_its_socket(tmp_path):
    with (tmp_path / "server.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write(msgspec.json.encode(Server("elsewhere", 1, "gRPC elsewhere")))
        lock.flush()
        with served_home(tmp_path, "gRPC here") as ours:
            assert not ours


async def test_a_socket_that_a_dead_process_left_is_replaced_and_none_is_left(bridge, tmp_path):
    path = tmp_path / "bridge.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    server = await start_grpc(bridge, address="127.0.0.1:0", socket_path=path)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    await server.stop(0)
    assert not path.exists()


def test_the_drafts_of_the_dead_are_swept_and_those_of_the_living_are_not(tmp_path):
    code = (
        "import sys, time; from pathlib import Path; from bridge.store.artifacts import _locked_draft\n"
        "print(_locked_draft(Path(sys.argv[1]))[1], flush=True); time.sleep(600)"
    )
    writer = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    (tmp_path / "draft-of-another-day").write_bytes(b"half")
    try:
        draft = writer.stdout.readline().strip()
        sweep_drafts(tmp_path)
        assert [str(path) for path in tmp_path.iterdir()] == [draft]
    finally:
        writer.kill()
        writer.wait()
    sweep_drafts(tmp_path)
    assert not list(tmp_path.iterdir())


async def test_a_home_may_have_any_name(bridge, short_path):
    home = short_path / ODD
    with embedded_postgres(home) as url:
        async with open_bridge(settings_at(home), url) as opened:
            digest = opened.deps.artifacts.write(b"content")
            assert opened.deps.artifacts.read(digest) == b"content"
        server = await start_grpc(bridge, address="127.0.0.1:0", socket_path=home / "bridge.sock")
        assert (home / "bridge.sock").is_socket()
        await server.stop(0)


async def test_a_home_too_long_for_a_socket_is_refused_by_bytes_and_good_for_the_rest(bridge, database_url, short_path):
    home = short_path / LONG
    assert len(str(home / "bridge.sock")) <= SOCKET_PATH_BYTES + 30 < len(os.fsencode(home / "bridge.sock"))
    async with open_bridge(settings_at(home, database_url), database_url):
        pass
    with pytest.raises(FailedPrecondition, match=f"may have {SOCKET_PATH_BYTES}; set a shorter CEREBROS_HOME"):
        await start_grpc(bridge, address="127.0.0.1:0", socket_path=home / "bridge.sock")


def test_the_longest_path_of_a_socket_is_allowed(tmp_path):
    path = "/" + "家" * 35 + "ab"[: SOCKET_PATH_BYTES - 106]
    check_socket_path(type(tmp_path)(path))
    with pytest.raises(FailedPrecondition):
        check_socket_path(type(tmp_path)(path + "a"))


def unusable_homes(place):
    """Homes that cannot be used, by what is wrong."""
    (place / "file").write_text("no directory")
    (place / "loop").symlink_to(place / "loop")
    return {
        "a file": place / "file",
        "under a file": place / "file" / "home",
        "a loop": place / "loop",
        "a name too long": place / ("n" * 300),
        "a path too long": place / "/".join(["p" * 200] * 30),
        "no file system for files": type(place)("/proc/self/home"),
    }


@pytest.mark.parametrize(
    "what", ["a file", "under a file", "a loop", "a name too long", "a path too long", "no file system for files"]
)
async def test_a_home_that_cannot_be_used_is_refused_at_once(database_url, tmp_path, what):
    home = unusable_homes(tmp_path)[what]
    settings = settings_at(home, database_url)
    async with asyncio.timeout(30):
        with pytest.raises(FailedPrecondition, match="mend it, or set CEREBROS_HOME"):
            async with open_bridge(settings, database_url):
                pass
        with pytest.raises(FailedPrecondition, match="mend it, or set CEREBROS_HOME"), embedded_postgres(home):
            pass
    (finding,) = (f for f in findings_of(lambda: settings) if f.subject == "home")
    assert (finding.well, "cannot be used" in finding.account) == (False, True)


def test_a_command_in_a_home_that_cannot_be_used_ends(bridge_command, tmp_path):
    done = bridge_command("gate", "check", CEREBROS_HOME=str(unusable_homes(tmp_path)["a file"]))
    assert (done.returncode, done.stderr.split(":")[0]) == (1, "FAILED_PRECONDITION")


CODE = """
import sys
from pathlib import Path
from bridge.process.home import prepare_home
from bridge.store.artifacts import write_whole
from cerebros.errors import CerebrosError
try:
    prepare_home(Path(sys.argv[1]))
    write_whole(Path(sys.argv[1]) / "file", bytes(10_000_000))
except CerebrosError as problem:
    print(problem.code, problem.message, *sorted(path.name for path in Path(sys.argv[1]).iterdir()))
"""


@pytest.mark.parametrize(
    ("mounted", "account"),
    [("ro", "FAILED_PRECONDITION home"), ("size=1m", "RESOURCE_EXHAUSTED"), ("nr_inodes=1", "RESOURCE_EXHAUSTED home")],
)
def test_a_disk_that_takes_no_more_is_typed_and_keeps_no_draft(tmp_path, mounted, account):
    mount = f"mount -t tmpfs -o {mounted} none {tmp_path} && exec {sys.executable} -c '{CODE}' {tmp_path}"
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount.replace('"', '\\"').replace("'", '"')],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.startswith(account), done.stderr
    assert len(done.stdout.splitlines()) == 1
    assert "draft-" not in done.stdout


def test_a_home_without_the_right_to_write_is_refused(tmp_path):
    tmp_path.chmod(0o500)
    try:  # as another user id of a namespace, because root may write anywhere
        command = ["unshare", "--user", "--map-user=1000", "--", sys.executable, "-c", CODE, str(tmp_path)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    finally:
        tmp_path.chmod(0o700)
    assert done.stdout.startswith("FAILED_PRECONDITION home"), done.stderr
    assert "set CEREBROS_HOME to a directory that this user may write" in done.stdout


def test_a_home_that_is_no_utf8_is_refused():
    with pytest.raises(InvalidArgument, match="is no UTF-8"):
        read_settings(SETTINGS, {"CEREBROS_HOME": os.fsdecode(b"/tmp/\xff")})


@pytest.mark.parametrize("sign", ["\n", "\r"])
def test_a_home_with_a_line_break_is_refused(sign):
    """PostgreSQL takes no such path, and says so in two lines of which neither is the cause."""
    with pytest.raises(InvalidArgument, match="has a line break; set CEREBROS_HOME to another"):
        read_settings(SETTINGS, {"CEREBROS_HOME": f"/tmp/a{sign}b"})


def test_the_settings_are_read_as_utf8_whatever_the_locale_is(tmp_path, bridge_command):
    (tmp_path / "cerebros.toml").write_bytes(b"\xef\xbb\xbf# \xe5\xae\xb6\nlog_level = 'loud'\n")
    done = bridge_command("gate", "check", CEREBROS_HOME=str(tmp_path), LC_ALL="C", PYTHONUTF8="0")
    assert (done.returncode, done.stderr.split(":")[0]) == (1, "INVALID_ARGUMENT")
    assert "log_level in" in done.stderr


@pytest.mark.parametrize(("url", "subject"), [("", "embedded: "), (None, "DATABASE_URL: ")])
def test_the_doctor_writes_nothing(bridge_command, database_url, tmp_path, url, subject):
    home = tmp_path / "absent" / "home"
    done = bridge_command(
        "doctor", "--json", CEREBROS_HOME=str(home), DATABASE_URL=database_url if url is None else url
    )
    assert done.returncode == 0, done.stdout + done.stderr
    findings = {finding["subject"]: finding for finding in json.loads(done.stdout)["findings"]}
    assert findings["database"]["well"], findings["database"]
    assert findings["database"]["account"].startswith(subject)
    assert "not created yet" in findings["home"]["account"]
    assert not (tmp_path / "absent").exists()


def test_the_doctor_tells_of_settings_that_cannot_be_read(bridge_command, tmp_path):
    (tmp_path / "cerebros.toml").write_text("nonsense")
    done = bridge_command("doctor", "--json", CEREBROS_HOME=str(tmp_path))
    (finding,) = json.loads(done.stdout)["findings"]
    assert (done.returncode, finding["subject"], finding["well"]) == (1, "settings", False)


def test_the_doctor_looks_at_the_server_that_runs_and_leaves_the_home_as_it_is(tmp_path):
    with embedded_postgres(tmp_path):
        before = sorted((path.name, path.stat().st_mtime_ns) for path in tmp_path.glob("*.*"))
        (finding,) = (f for f in findings_of(lambda: settings_at(tmp_path)) if f.subject == "database")
        assert finding.well
        assert "no schema yet, to be migrated to" in finding.account
        assert before == sorted((path.name, path.stat().st_mtime_ns) for path in tmp_path.glob("*.*"))


@pytest.mark.parametrize(
    ("trouble", "refusal"),
    [
        (28, ResourceExhausted),
        (24, ResourceExhausted),
        (5, Unavailable),
        (30, FailedPrecondition),
        (36, FailedPrecondition),
    ],
)
def test_trouble_with_files_is_typed_by_who_can_end_it(trouble, refusal):
    with pytest.raises(refusal, match=r"^the work: .*: /place; "), files_answered("the work", "mend it"):
        raise OSError(trouble, os.strerror(trouble), "/place")


def test_a_signing_key_in_trouble_is_typed_and_a_new_one_leaves_no_draft(tmp_path):
    key = tmp_path / "keys" / "verdicts.ed25519"
    Seal.at(key)
    assert [path.name for path in key.parent.iterdir()] == [key.name]
    assert key.stat().st_mode & 0o077 == 0
    key.write_bytes(b"short")
    with pytest.raises(FailedPrecondition, match="has 5 bytes instead of 32"):
        Seal.at(key)
    with pytest.raises(FailedPrecondition, match=r"the key of this home, .*, cannot be used"):
        Seal.at(key / "below")
