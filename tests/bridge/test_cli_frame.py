"""The frame of the command line: whatever fails is one typed line, and data is printed as it is.

Issue 11, kinds 15, 19 and 20.
"""

from __future__ import annotations

import errno
import io
import json
import subprocess
import sys
from datetime import UTC, datetime

import msgspec
import pytest
from rich.console import Console

from bridge.cli import show
from bridge.cli.progress import Account
from bridge.contract.operator import GateFinding, GateReport
from bridge.contract.runs import Run, RunEvent, RunList
from bridge.process.defects import defects_answered
from cerebros.errors import ResourceExhausted
from tests.conftest import EXAMPLES

QUEUED = {
    "kind": "cycle",
    "state": "queued",
    "stages_done": [],
    "last_seq": 1,
    "attempt": 0,
    "queue": "cpu",
    "priority": 0,
    "trials_total": 0,
    "trials_ok": 0,
    "trials_failed": 0,
    "trials_pruned": 0,
    "created_at": "2026-01-01T00:00:00Z",
}

DIGITS = str(EXAMPLES / "digits.toml")

# What rich would take for a style, an emoji or a link, and what a terminal would obey.
HOSTILE = "[red]a[/red] :fire: [link=x]b[/] [/nope] \x1b[2J\x07"
SHOWN = "[red]a[/red] :fire: [link=x]b[/] [/nope] \\x1b[2J\\x07"


def shell(environment, script: str) -> subprocess.CompletedProcess[str]:
    """Run a script in which $BRIDGE is the command line."""
    bridge = f"{sys.executable} -P -m bridge"
    more = {"BRIDGE": bridge}
    return subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, env=environment | more, timeout=120, cwd=EXAMPLES.parent
    )


def event(name: str, seq: int = 1, **told: object) -> RunEvent:
    measured = {key: value for key, value in told.items() if not isinstance(value, str)}
    named = {key: value for key, value in told.items() if isinstance(value, str)}
    return RunEvent(
        run_id="r", seq=seq, name=name, measurements=measured, metadata=named, at=datetime(2026, 1, 1, tzinfo=UTC)
    )


def test_brackets_colons_and_control_characters_are_printed_as_they_are(capsys):
    finding = GateFinding(rule="r", status="warning", value=None, limit=None, message=HOSTILE)
    show.gate(GateReport(overall_status="warning", timestamp=datetime.now(UTC), findings=(finding,)), json=False)
    show.event(event("cerebros.trial.stop", reason=HOSTILE), json=False)
    said = capsys.readouterr().out
    assert said.count(SHOWN) == 2


@pytest.mark.parametrize("pac", ["[red]x", ":fire:", "x[/]", "\x1b[2J"])
def test_a_refused_value_is_named_as_it_was_written(bridge_command, pac):
    done = bridge_command("cycle", DIGITS, "--pac", pac)
    assert done.returncode == 1
    assert f"--pac {pac}".replace("\x1b", "\\x1b") in done.stderr


def test_a_value_of_many_lines_is_refused_on_one_line(bridge_command):
    done = bridge_command("vcv", "x\ny\tz")
    assert done.stderr.startswith("INVALID_ARGUMENT: PAC x\\ny\\tz: does not fit; Id of the PAC.")
    assert done.stderr.count("\n") == 1


def test_a_row_that_is_wider_than_the_terminal_is_told_in_words(monkeypatch):
    run = msgspec.convert(QUEUED | {"run_id": "r" * 36, "pac_id": "[red]p", "dataset": "d" * 20}, Run)
    shown = io.StringIO()
    for width in (60, 200):
        terminal = Console(file=shown, force_terminal=True, width=width, markup=False, color_system=None)
        monkeypatch.setattr(show, "console", lambda: terminal)  # noqa: B023 - called in this turn
        show.runs(RunList(runs=(run,)), json=False)
    narrow, _, wide = shown.getvalue().partition("┏")
    assert f"run {'r' * 36}: PAC [red]p, kind cycle," in " ".join(narrow.split())
    assert all(len(line) <= 60 for line in narrow.splitlines())
    assert f"│ {'r' * 36} │ [red]p │ cycle │" in wide


def test_no_column_of_a_table_is_cut_where_no_terminal_wraps_it(capsys):
    run = msgspec.convert(QUEUED | {"run_id": "r" * 128, "pac_id": "p" * 128, "dataset": "d" * 64}, Run)
    show.runs(RunList(runs=(run,)), json=False)
    assert {"r" * 128, "p" * 128, "d" * 64} <= set(capsys.readouterr().out.split())


def test_a_broken_rule_names_the_option_its_value_and_the_rule(bridge_command):
    done = bridge_command("cycle", DIGITS, "--pac", "p", "--trials", "-1")
    assert done.stderr.startswith("INVALID_ARGUMENT: --trials -1: expected `int` >= 1")
    assert "$." not in done.stderr


def test_a_refusal_names_commands_and_not_procedures(bridge_command):
    assert "`cerebros-bridge runs`" in bridge_command("show", "nobody").stderr
    assert "`cerebros-bridge cycle` makes its first run" in bridge_command("gate", "check", "--pac", "nobody").stderr
    assert "list_runs" in bridge_command("call", "get_run", '{"run_id": "nobody"}').stderr


def test_a_full_or_closed_stdout_is_a_typed_error(environment):
    for stdout in ("> /dev/full", ">&-"):
        done = shell(environment, f"$BRIDGE runs --json {stdout}")
        assert done.returncode == 1
        assert done.stderr.startswith("RESOURCE_EXHAUSTED: standard output takes no more")
        assert "Traceback" not in done.stderr
        assert "Exception ignored" not in done.stderr


def test_a_reader_that_has_read_enough_ends_a_command_quietly(environment):
    done = shell(environment, "$BRIDGE dataset schema | true; exit ${PIPESTATUS[0]}")
    assert done.stderr == ""


def test_closed_stdin_and_stderr_take_nothing_from_an_answer(environment):
    done = shell(environment, "$BRIDGE runs --json <&- 2>&-")
    assert done.returncode == 0
    assert "runs" in json.loads(done.stdout)


@pytest.mark.parametrize(
    "text", ["[" * 50_000, '{"a":' * 20_000, '{"run_id": "\\ud800"}', '{"run_id": ' + "9" * 5000 + "}", "", "null"]
)
def test_json_that_cannot_be_a_request_is_refused(bridge_command, text):
    done = bridge_command("call", "get_run", text)
    assert done.returncode == 1
    assert done.stderr.startswith("INVALID_ARGUMENT: ")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", [("report",), ("export",)])
@pytest.mark.parametrize("name", ["missing/folder/file.onnx", "missing/run.db"])
def test_a_file_that_cannot_be_written_is_told_before_any_work(bridge_command, tmp_path, command, name):
    done = bridge_command(*command, "nobody", str(tmp_path / name))
    assert done.returncode == 1
    assert done.stderr.startswith("FAILED_PRECONDITION: ")
    assert "cannot be written: No such file or directory" in done.stderr


def test_a_refused_export_leaves_no_file(bridge_command, tmp_path):
    assert bridge_command("export", "nobody", str(tmp_path / "q?x=1.db")).stderr.startswith("NOT_FOUND")
    assert list(tmp_path.iterdir()) == []


def test_a_variable_that_is_no_setting_is_warned_of(bridge_command):
    done = bridge_command("runs", CEREBROS_TRAIL_PROCESSES="1")
    assert done.returncode == 0
    assert "CEREBROS_TRAIL_PROCESSES is no setting; is it CEREBROS_TRIAL_PROCESSES?" in done.stderr
    assert "no setting" not in bridge_command("runs").stderr


def test_the_version_is_told(bridge_command):
    done = bridge_command("--version")
    assert done.stdout.split()[-1].count(".") == 2


def test_runs_are_listed_watched_shown_and_cancelled_by_commands(bridge_command, bridge):
    start = {"pac_id": "desk", "run_id": "desk-1", "spec": {"kind": "nas", "manifest": DIGITS}}
    assert bridge_command("call", "start_run", json.dumps(start)).returncode == 0
    row = next(line for line in bridge_command("runs", "--pac", "desk").stdout.splitlines() if "desk-1" in line)
    assert "queued" in row
    assert "canc" in bridge_command("cancel", "desk-1", "--reason", "enough").stdout
    watched = bridge_command("watch", "desk-1").stdout.splitlines()
    assert [line.split()[2] for line in watched] == ["run.queued", "run.stop"]
    assert json.loads(bridge_command("show", "desk-1", "--json").stdout)["state"] == "cancelled"


def test_the_bar_tells_the_best_the_failures_the_time_left_and_the_limit():
    account = Account()
    account.hear(event("cerebros.run.queued", trials=10, wall_s=90.0))
    account.hear(event("cerebros.stage.start", stage="search"))
    account.began = 0.0
    for outcome, accuracy in (("ok", 0.5), ("ok", 0.9), ("diverged", None), ("pruned", None), ("ok", 0.7)):
        account.hear(event("cerebros.trial.stop", outcome=outcome, accuracy=accuracy))
    assert account.words(now=50.0) == "best 0.9000, 1 diverged, 1 pruned, about 40 s left, limit 1 min 30 s"
    assert account.left_s(now=20.0) == pytest.approx(20.0)


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        (MemoryError(), "memory ran out"),
        (RuntimeError("can't start new thread"), "no thread could be started"),
        (OSError(errno.ENOSPC, "No space left on device", "/secret"), "No space left on device; free some space$"),
        (OSError(errno.EMFILE, "Too many open files"), "Too many open files; allow the process more"),
    ],
)
def test_a_process_without_memory_threads_disk_or_files_has_no_defect(trouble, words):
    """Issue 11, kind 19: at every outermost frame."""
    with pytest.raises(ResourceExhausted, match=f"^here: {words}"), defects_answered("here"):
        raise trouble
