"""The four packages are ours, wherever the tests are started from."""

import importlib
import subprocess
import sys
from importlib.metadata import distribution, packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("bridge", "cerebros", "grid_graphql", "telemetry")


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_comes_from_this_project(name):
    module = importlib.import_module(name)
    assert Path(module.__file__).is_relative_to(ROOT)


def test_the_distribution_is_installed_and_owns_the_command():
    (script,) = distribution("cerebros-bridge").entry_points.select(group="console_scripts")
    assert (script.name, script.value) == ("cerebros-bridge", "bridge.__main__:main")


@pytest.mark.parametrize("name", PACKAGES)
def test_no_other_distribution_has_a_package_of_that_name(name):
    assert set(packages_distributions().get(name, ["cerebros-bridge"])) == {"cerebros-bridge"}


def test_the_server_process_starts_without_torch():
    server = "bridge.cli.commands, bridge.transports.grpc.server, bridge.transports.port.session"
    heavy = "print([m for m in ('torch', 'sklearn', 'pyarrow') if m in sys.modules])"
    code = f"import {server}, bridge.transports.http.app, sys; {heavy}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_wheel_carries_the_migrations_and_the_policy(tmp_path):
    import zipfile

    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--quiet", "--wheel-dir", str(tmp_path), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "bridge/_priv/sql/0001_rooms.sql" in names
    assert "bridge/_priv/policy/default.toml" in names
    assert "bridge/_priv/console/graphiql.min.js.gz" in names
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == set(PACKAGES)
