"""A real BEAM owns the real program, with its own database and a training on every core; then it is killed."""

from __future__ import annotations

import os
import shutil

import pytest
from bench_beam import promises_under_load


@pytest.mark.skipif(shutil.which("elixir") is None, reason="elixir is not installed: make test installs it")
def test_it_answers_while_training_and_leaves_nothing_behind_when_its_beam_is_killed(tmp_path):
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"} | {
        "CEREBROS_HOME": str(tmp_path),
        "CEREBROS_LOG_LEVEL": "critical",
        "CEREBROS_TRIAL_PROCESSES": str(os.cpu_count()),
    }
    margin = promises_under_load(environment)
    # The promises are 10 ms, 50 ms and 1 s; make bench-beam prints them, and a machine that runs other tests is slower.
    assert margin["ping_p99"] > 10 / 100
    assert margin["cancel_p99"] > 50 / 250
    assert margin["gone_after_kill"] > 1 / 3
