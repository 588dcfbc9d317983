"""Fixtures that several tests of rooms share."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from uuid_utils import uuid7

from tests.bridge.asking import LAYERS, OBJECTIVES
from tests.calling import call
from tests.conftest import EXAMPLES

ROOT = EXAMPLES.parent

BRIDGE = (str(Path(sys.executable).parent / "cerebros-bridge"),)
KILN = (sys.executable, "-m", "tests.bridge.kiln")


@pytest.fixture
def environment(settings, database_url):
    return os.environ | {"CEREBROS_HOME": str(settings.home), "DATABASE_URL": database_url}


@pytest.fixture
def bridge_command(environment):
    def run(*arguments: str, program: tuple[str, ...] = BRIDGE, **more: str) -> subprocess.CompletedProcess[str]:
        command = [*program, *arguments]
        return subprocess.run(command, capture_output=True, text=True, env=environment | more, timeout=120, cwd=ROOT)

    return run


@pytest.fixture
def study(bridge):
    """Opens studies, each with an id of its own."""

    async def create(**fields):
        request = {"study_id": f"study-{uuid7()}", "space": LAYERS, "objectives": OBJECTIVES}
        return (await call(bridge, "create_study", request | fields)).study_id

    return create
