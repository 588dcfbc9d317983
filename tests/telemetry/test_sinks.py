import json
import subprocess
import sys
from dataclasses import fields

import pytest

from cerebros.gate import Finding, GateFigures
from telemetry.events import VOCABULARY, run_stop
from telemetry.figures import Figures, Occupation, RunFigure, TrialFigure, VcvFigure
from telemetry.prometheus import render


def test_every_measurement_is_a_field_and_every_name_is_dotted():
    for kind in VOCABULARY:
        assert set(kind.measured) <= {field.name for field in fields(kind)}
        assert kind.name.startswith("cerebros.")


def test_a_stop_without_a_result_carries_every_key_with_none():
    record = run_stop("r", "cycle", "p", "cancelled").record()
    assert record.measurements["accuracy"] is None
    assert record.measurements["trials_total"] == 0
    assert record.metadata["error_code"] is None


def test_figures_become_counters_and_gauges():
    text = render(
        Figures(
            occupation=Occupation(workers=2, queued=3, running=1, expired_leases=0, refused_writes=0),
            runs=(RunFigure("cycle", "succeeded", 4, 80.5),),
            trials=(TrialFigure("ok", 10, 5.0, 4.5, 45.0, 0.01),),
            vcv=VcvFigure(entries=5, pacs=2),
            gate=GateFigures(
                last_success_age_s=12.0,
                runs_without_telemetry=0,
                verdict_age_s=None,
                last_decision=None,
                queued=3,
                expired_leases=0,
                failed_share=0.25,
            ),
        ),
        (Finding("failed_runs", "warning", 0.25, 0.2, ""), Finding("queue_depth", "healthy", 3, 100, "")),
    )
    assert "cerebros_queue_depth 3.0" in text
    assert 'cerebros_run_duration_seconds_total{kind="cycle",state="succeeded"} 80.5' in text
    assert 'cerebros_trial_energy_joules_total{outcome="ok"} 45.0' in text
    assert "cerebros_failed_share_last_day 0.25" in text
    assert "cerebros_verdict" not in text
    assert 'cerebros_gate_status{rule="failed_runs"} 1.0' in text
    assert 'cerebros_gate_status{rule="queue_depth"} 0.0' in text
    assert "_created" not in text


def test_events_are_logged_as_one_json_object_a_line_on_stderr():
    code = (
        "from telemetry.logs import configure_logging, log_event; configure_logging('info');"
        "log_event('cerebros.run.start', 2, {'queue_s': 0.5}, {'run_id': 'a\\nb'})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    (line,) = done.stderr.splitlines()
    logged = json.loads(line)
    assert done.stdout == ""
    assert (logged["event"], logged["seq"], logged["queue_s"]) == ("cerebros.run.start", 2, 0.5)


NO_DATABASE = """
from psycopg_pool import ConnectionPool, PoolTimeout
with ConnectionPool("host=127.0.0.1 port=1", min_size=1, open=False) as pool:
    try:
        pool.wait(0.5)
    except PoolTimeout:
        pass
"""

BROKEN_RESOLVER = """
import strawberry

@strawberry.type
class Query:
    @strawberry.field
    def broken(self) -> int:
        raise RuntimeError("first line\\nsecond line")

strawberry.Schema(Query).execute_sync("{ broken }")
"""


@pytest.mark.parametrize(
    ("code", "logger", "level", "account"),
    [
        (NO_DATABASE, "psycopg.pool", "warning", "error connecting in 'pool-1'"),
        (BROKEN_RESOLVER, "strawberry.execution", "error", "first line\nsecond line"),
    ],
)
def test_what_libraries_log_is_one_json_object_a_line_as_well(code, logger, level, account):
    lines = logged_by(code, "debug")
    assert {(line["logger"], line["level"]) for line in lines} == {(logger, level)}
    assert account in lines[0]["event"]
    assert logged_by(code, "critical") == []


def test_a_librarys_traceback_is_part_of_its_line():
    (line,) = logged_by(BROKEN_RESOLVER, "info")
    assert line["exception"].startswith("Traceback")
    assert line["exception"].endswith("second line")


def logged_by(code, level):
    configured = f"from telemetry.logs import configure_logging; configure_logging({level!r})\n{code}"
    done = subprocess.run([sys.executable, "-c", configured], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    return [json.loads(line) for line in done.stderr.splitlines()]
