"""The console command as an operator meets it: exit status, stdout, stderr."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import msgspec
import pytest

from bridge.cli.parameter_types import TreesFile
from bridge.datasets.files import Reach
from bridge.datasets.manifests import read_dataset
from bridge.process.owner import owner
from cerebros.errors import ManifestRejected
from cerebros.space.rose_tree import Tree
from tests.bridge.conftest import BRIDGE, KILN
from tests.conftest import EXAMPLES

DIGITS = EXAMPLES / "digits.toml"
ROOT = EXAMPLES.parent


def test_a_dataset_check_prints_one_json_object(bridge_command):
    done = bridge_command("dataset", "check", str(DIGITS), "--json")
    report = json.loads(done.stdout)
    assert done.returncode == 0
    assert (report["rows"], report["features"], report["leaked_rows"]) == (1797, 64, 0)


def csv_manifest(tmp_path: Path, rows: str, **replaced: str) -> Path:
    import hashlib

    (tmp_path / "rows.csv").write_text(rows)
    text = DIGITS.read_text().replace("sklearn:digits", "rows.csv").replace('"target"', '"y"')
    digest = hashlib.sha256(rows.encode()).hexdigest()
    text = "\n".join(f'sha256 = "{digest}"' if line.startswith("sha256") else line for line in text.splitlines())
    for old, new in replaced.items():
        text = text.replace(old, new)
    path = tmp_path / "manifest.toml"
    path.write_text(text)
    return path


GOOD_ROWS = "a,y\n" + "".join(f"{n}.5,{n % 2}\n" for n in range(40))


def test_a_command_takes_a_relative_manifest_from_its_own_directory(environment, tmp_path):
    """Issue 11, kinds 2 and 20."""
    csv_manifest(tmp_path, GOOD_ROWS)
    command = [*BRIDGE, "dataset", "check", "manifest.toml"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=120)
    assert (done.returncode, "40" in done.stdout) == (0, True), done.stderr


def test_a_csv_dataset_is_read_and_checked(bridge_command, tmp_path):
    done = bridge_command("dataset", "check", str(csv_manifest(tmp_path, GOOD_ROWS)), "--json")
    assert json.loads(done.stdout)["label_balance"] == {"0": 20, "1": 20}


@pytest.mark.parametrize(
    ("spoil", "account"),
    [
        (lambda p: (p / "rows.csv").unlink(), r"rows.csv: cannot be read"),
        (lambda p: (p / "rows.csv").write_text(GOOD_ROWS + "1,1\n"), "sha256 is"),
        (lambda p: csv_manifest(p, GOOD_ROWS + "3.5,NA\n"), "rows.csv, row 41, column 'y'"),
        (lambda p: csv_manifest(p, GOOD_ROWS + "three,1\n"), "row 41, column 'a': 'three' is not a number"),
        (lambda p: csv_manifest(p, GOOD_ROWS + "3.5\n"), "row 41: has 1 cells"),
        (lambda p: (p / "manifest.toml").write_text("colour = 1\n" + DIGITS.read_text()), "unknown field `colour`"),
        (lambda p: (p / "manifest.toml").unlink(), "cannot be read"),
    ],
    ids=["missing file", "wrong digest", "NaN label", "not a number", "short row", "unknown key", "no manifest"],
)
def test_a_bad_dataset_ends_with_a_typed_error_and_status_1(bridge_command, tmp_path, spoil, account):
    path = csv_manifest(tmp_path, GOOD_ROWS)
    spoil(tmp_path)
    done = bridge_command("dataset", "check", str(path), "--json")
    error = json.loads(done.stdout)["error"]
    assert done.returncode == 1
    assert (error["code"], error["class"]) == ("INVALID_ARGUMENT", "validation")
    assert account in error["message"]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "account"),
    [
        (("call", "make_coffee"), "NOT_FOUND", "choose from start_run"),
        (("call", "get_run", '{"run_id": "nobody"}'), "NOT_FOUND", "list_runs"),
        (("call", "get_run", "run_id"), "INVALID_ARGUMENT", "not a JSON object"),
        (("call", "get_run", '{"id": "a"}'), "INVALID_ARGUMENT", "unknown field `id`"),
        (("cycle", str(DIGITS), "--pac", "p", "--trials", "-1"), "INVALID_ARGUMENT", "--trials -1: expected"),
        (("cycle", str(DIGITS), "--pac", "../p"), "INVALID_ARGUMENT", "--pac ../p: does not fit"),
        (
            ("cycle", str(DIGITS), "--pac", "p", "--limit", "latency"),
            "INVALID_ARGUMENT",
            "limit 'latency' is not NAME=",
        ),
        (("nas", str(DIGITS), "--pac", "p", "--candidates", str(DIGITS)), "INVALID_ARGUMENT", "is no shortlist"),
        (("vcv", "nobody"), "NOT_FOUND", "no capability vector"),
    ],
)
def test_a_refused_request_ends_with_its_code_and_status_1(bridge_command, arguments, code, account):
    done = bridge_command(*arguments)
    assert done.returncode == 1
    assert done.stderr.startswith(f"{code}: ")
    assert account in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("arguments", [("fly",), ("cycle",), ("cycle", str(DIGITS), "--pac"), ("dataset", "check")])
def test_wrong_usage_ends_with_status_2(bridge_command, arguments):
    assert bridge_command(*arguments).returncode == 2


def test_a_setting_that_breaks_its_rule_is_named(bridge_command):
    done = bridge_command("gate", "check", CEREBROS_LEASE_S="-1")
    assert done.returncode == 1
    assert done.stderr.startswith(
        "INVALID_ARGUMENT: CEREBROS_LEASE_S '-1': expected `float` > 0.0; Seconds after which"
    )


def test_an_unreachable_database_is_unavailable(bridge_command):
    done = bridge_command("gate", "check", DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")
    assert done.returncode == 1
    assert done.stderr.startswith("UNAVAILABLE: ")


def test_the_manifest_format_is_exported_as_json_schema(bridge_command):
    schema = json.loads(bridge_command("dataset", "schema").stdout)
    assert "sources" in schema["$defs"]["Manifest"]["required"]


def test_the_doctor_finds_this_machine_well(bridge_command):
    done = bridge_command("doctor", "--json")
    assert done.returncode == 0, done.stdout
    assert json.loads(done.stdout)["well"] is True


def test_a_cycle_prints_its_run_and_exports_onnx_its_trials_for_optuna_and_a_report(bridge_command, tmp_path):
    done = bridge_command("cycle", str(DIGITS), "--pac", "shell", "--trials", "3", "--epochs", "5", "--json")
    run = json.loads(done.stdout)
    assert done.returncode == 0
    assert run["promoted_version"] == 1
    assert 0 < run["metrics"]["accuracy"] <= 1
    file = tmp_path / "digits.onnx"
    assert bridge_command("export", run["run_id"], str(file)).returncode == 0
    import onnxruntime

    assert onnxruntime.InferenceSession(str(file)).get_outputs()[0].shape[1] == 10
    page = tmp_path / "digits.html"
    assert bridge_command("report", run["run_id"], str(page)).returncode == 0
    assert "accuracy, latency, energy, cost" in page.read_text()
    study = tmp_path / "digits.db"
    assert bridge_command("export", run["run_id"], str(study)).returncode == 0
    again = bridge_command("export", run["run_id"], str(study))
    assert (again.returncode, "choose another file" in again.stderr) == (1, True)
    import optuna

    opened = optuna.load_study(study_name=run["run_id"], storage=f"sqlite:///{study}")
    assert len(opened.trials) == 3
    assert opened.metric_names == ["accuracy", "latency", "energy", "cost"]
    assert [direction.name for direction in opened.directions] == ["MAXIMIZE", "MINIMIZE", "MINIMIZE", "MINIMIZE"]
    for trial in opened.trials:
        attributes = trial.user_attrs
        assert len(trial.intermediate_values) == attributes["epochs"] > 0
        if trial.state.name == "COMPLETE":
            told = [attributes["metrics"][name] for name in ("accuracy", "latency_p50_s", "energy_j", "cost_usd")]
            assert trial.values == told
            assert 0 < trial.values[0] <= 1
    best = {trial.user_attrs["number"] for trial in opened.best_trials}
    assert best == {trial["number"] for trial in run["pareto_set"]}


@pytest.mark.parametrize(
    ("command", "file", "extra", "module"),
    [
        ("report", "run.html", "report", "plotly"),
        ("export", "model.onnx", "onnx", "onnx"),
        ("export", "model.onnx", "onnx", "onnxscript"),
        ("export", "study.db", "optuna", "optuna"),
    ],
)
def test_an_extra_that_is_missing_is_named_before_anything_begins(
    bridge_command, tmp_path, command, file, extra, module
):
    (tmp_path / "sitecustomize.py").write_text(f"import sys\nsys.modules[{module!r}] = None\n")  # as if not installed
    found = os.pathsep.join(filter(None, (str(tmp_path), os.environ.get("PYTHONPATH"))))
    done = bridge_command(command, "nobody", str(tmp_path / file), PYTHONPATH=found)
    assert done.returncode == 1
    assert done.stderr == f"FAILED_PRECONDITION: this needs {module}; pip install 'cerebros-bridge[{extra}]'\n"
    assert not (tmp_path / file).exists()


def test_a_cycle_that_is_told_to_stop_drains_and_says_how_to_go_on(environment, bridge_command, sql):
    command = [*BRIDGE, "cycle", str(DIGITS), "--pac", "stopped"]
    cycle = subprocess.Popen(
        [*command, "--epochs", "10000", "--run-id", "stopped"], env=environment, stderr=subprocess.PIPE, text=True
    )
    try:
        for _ in range(300):
            if sql.execute("SELECT 1 FROM stages WHERE run_id = 'stopped' AND name = 'shortlist'").fetchone():
                break
            time.sleep(0.2)
        cycle.send_signal(signal.SIGTERM)
        _, said = cycle.communicate(timeout=30)
    finally:
        cycle.kill()
    assert cycle.returncode == 1
    assert "go on with --run-id stopped" in said
    assert sql.execute("SELECT state FROM runs WHERE run_id = 'stopped'").fetchone() == ("queued",)
    bridge_command("call", "cancel_run", '{"run_id": "stopped"}')


def test_a_new_kind_has_a_command_with_its_specs_fields(bridge_command, sql):
    options = {
        "--pac": "potter",
        "--cones": "9",
        "--hours": "7.5",
        "--ramps": "60,120.5",
        "--atmosphere": "reducing",
        "--marks": "a,b",
        "--limit": "heat=1240",
        "--spec-priority": "3",
        "--priority": "2",
    }
    given = [text for pair in options.items() for text in pair]
    done = bridge_command("fire", "celadon", "--slow", *given, "--json", program=KILN)
    assert done.returncode == 0, done.stderr
    run = json.loads(done.stdout)
    assert (run["kind"], run["state"], run["priority"], run["metrics"]) == ("fire", "succeeded", 2, None)
    (payload,) = sql.execute("SELECT payload FROM runs WHERE run_id = %s", (run["run_id"],)).fetchone()
    assert payload == {
        "kind": "fire",
        "glaze": "celadon",
        "cones": 9,
        "schedule": {"hours": 7.5, "ramps": [60.0, 120.5]},
        "slow": True,
        "atmosphere": "reducing",
        "limits": {"heat": 1240.0},
        "marks": ["a", "b"],
        "shelves": [],
        "priority": 3,
    }


def test_a_run_without_figures_says_how_it_ended(bridge_command):
    done = bridge_command("fire", "celadon", "--pac", "potter", "--run-id", "plain", program=KILN)
    assert (done.returncode, done.stdout) == (0, "run plain succeeded\n")


def test_a_commands_help_is_what_the_contract_says(bridge_command):
    said = " ".join(bridge_command("fire", "--help", program=KILN).stdout.split())
    assert "[OPTIONS] GLAZE Fire a kiln once. Options:" in said
    assert "--cones INTEGER Number of the pyrometric cone. 1 to 14; 6 when absent." in said
    assert "--hours FLOAT Hours at the highest heat. Above 0; 4 when absent." in said


def test_call_prints_an_answer_or_an_item_of_a_stream_a_line(bridge_command):
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    asker = json.loads(bridge_command("call", "asker", program=KILN, TRACEPARENT=trace).stdout)
    assert asker == {"principal": owner(), "transport": "cli", "traceparent": trace}
    degrees = bridge_command("call", "heat", '{"degrees": 3}', program=KILN).stdout.splitlines()
    assert [json.loads(line) for line in degrees] == [{"degree": 0}, {"degree": 1}, {"degree": 2}]


def test_a_call_or_a_stream_past_its_timeout_ends_with_deadline_exceeded_and_status_1(bridge_command):
    start = '{"pac_id": "potter", "run_id": "cold", "spec": {"kind": "fire", "glaze": "celadon"}}'
    assert bridge_command("call", "start_run", start, "--timeout", "60", program=KILN).returncode == 0
    watch = bridge_command("call", "watch_run", '{"run_id": "cold"}', "--timeout", "1", program=KILN)
    assert (watch.returncode, watch.stderr.partition(":")[0]) == (1, "DEADLINE_EXCEEDED")
    assert json.loads(watch.stdout)["name"] == "cerebros.run.queued"
    late = bridge_command("call", "get_run", '{"run_id": "cold"}', "--timeout", "0.000001", program=KILN)
    assert (late.returncode, late.stderr.partition(":")[0], late.stdout) == (1, "DEADLINE_EXCEEDED", "")
    assert bridge_command("call", "cancel_run", '{"run_id": "cold"}', program=KILN).returncode == 0
    assert bridge_command("call", "health", "--timeout", "0").returncode == 2


@pytest.mark.parametrize(
    ("arguments", "account"),
    [
        (("vcv",), "vcv [OPTIONS] PAC Read a PAC's current capability vector, or one version of it. Options:"),
        (("vcv",), "--version INTEGER Version to read; the current one when absent. 1 to 2,147,483,647."),
        (("gate", "check"), "--pac TEXT PAC to judge; the whole platform when absent. 1 to 128 letters"),
        (("dataset", "check"), "check [OPTIONS] MANIFEST Read a dataset through its manifest"),
        (("worker",), "--queue [cpu|gpu] Queue that this machine's worker takes runs from: `cpu` or `gpu`."),
    ],
)
def test_commands_that_ask_one_procedure_say_what_the_contract_says(bridge_command, arguments, account):
    assert account in " ".join(bridge_command(*arguments, "--help").stdout.split())


@pytest.mark.parametrize("listed", [True, False])
def test_candidates_come_as_a_shortlist_or_as_a_list_of_trees(listed, tmp_path):
    tree = Tree("network", {"rate": 0.1})
    candidate = {
        "rank": 1,
        "tree": msgspec.to_builtins(tree),
        "tree_hash": "x",
        "log_l": 0.0,
        "log_g": 0.0,
        "score": 0.0,
    }
    file = tmp_path / "candidates.json"
    shortlist = {"run_id": "a", "observations": 0, "probes": 0, "candidates": [candidate]}
    file.write_text(json.dumps([candidate["tree"]] if listed else shortlist))
    assert TreesFile().convert(str(file), None, None) == (tree,)


@pytest.mark.parametrize(
    ("name", "account"),
    [("a\0b", "no file has such a name"), ("/dev/zero", "regular file"), ("/", "a directory"), ("circle", "links")],
)
def test_a_manifest_that_is_no_file_is_refused(name, account, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    everything = Reach(("/",), any_name=True)
    with pytest.raises(ManifestRejected, match=account):
        read_dataset(name, everything)
