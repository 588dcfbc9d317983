"""The Elixir client's own suite, run by a real BEAM against the real port program."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bridge.cli.elixir_tables import TABLE, module

ROOT = Path(__file__).parent.parent

# Where `make test` puts gun and cowlib.
BEAM_LIBRARIES = Path(sys.executable).parent.parent / "beam"


def test_the_client_has_the_tables_of_this_contract():
    assert (ROOT / TABLE).read_text() == module(), "run make proto"


@pytest.mark.skipif(shutil.which("mix") is None, reason="elixir is not installed: make test installs it")
@pytest.mark.parametrize("task", ["lint", "test"])
def test_mix(task, tmp_path):
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"} | {
        "CEREBROS_BRIDGE_BIN": str(Path(sys.executable).parent / "cerebros-bridge"),
        "CEREBROS_HOME": str(tmp_path / "home"),
        "ERL_LIBS": os.pathsep.join(filter(None, (str(BEAM_LIBRARIES), os.environ.get("ERL_LIBS")))),
        "MIX_ENV": "test",
        "LC_ALL": "C.UTF-8",
    }
    done = subprocess.run(
        ["mix", *task.split()], cwd=ROOT / "priv/elixir", env=environment, capture_output=True, text=True, timeout=3000
    )
    assert done.returncode == 0, f"mix {task}\n{done.stdout}\n{done.stderr}"
