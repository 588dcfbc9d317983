"""Issue 11, kind 20: timings of several workers on one machine do not share a core."""

import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack

import pytest

from bridge.jobs import quiet
from bridge.jobs.quiet import core_of_its_own, gpu_of_its_own, interruptions

CORES = sorted(os.sched_getaffinity(0))

# Another process of this user, with another home, that holds a core until its input ends.
OTHER = """
import sys
from bridge.jobs.quiet import core_of_its_own
with core_of_its_own() as core:
    print(core, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def other():
    process = subprocess.Popen([sys.executable, "-c", OTHER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    core = int(process.stdout.readline())
    yield process, core
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()


@pytest.fixture
def alone(tmp_path, monkeypatch):
    """Locks that no other test on this machine holds."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)


@pytest.mark.skipif(len(CORES) < 2, reason="one core is nobody's own")
def test_two_processes_time_on_different_cores(alone, other):
    _, taken = other
    with core_of_its_own() as core:
        assert core in CORES
        assert core != taken


def test_a_timing_waits_for_a_core_and_goes_on_when_its_holder_ends_in_any_way(alone, other, monkeypatch):
    process, taken = other
    monkeypatch.setattr(quiet, "WAIT_AT_MOST_S", 60.0)
    with ExitStack() as held:
        mine = [held.enter_context(core_of_its_own()) for _ in CORES[1:]]
        assert {taken, *mine} == set(CORES)
        process.kill()
        assert held.enter_context(core_of_its_own()) == taken


def test_a_timing_does_not_wait_for_ever(alone, other, monkeypatch):
    monkeypatch.setattr(quiet, "WAIT_AT_MOST_S", 0.2)
    with ExitStack() as held:
        assert all(held.enter_context(core_of_its_own()) in CORES for _ in range(len(CORES) + 1))
    with gpu_of_its_own(), gpu_of_its_own():
        assert not [name for name in os.listdir(tempfile.gettempdir()) if "gpu" not in name and "core" not in name]


def test_a_lock_that_is_a_link_or_a_folder_of_somebody_else_is_done_without(alone, tmp_path):
    (tmp_path / "precious").write_text("kept")
    for core in CORES:
        (tmp_path / f"cerebros-{os.getuid()}-core-{core}.lock").symlink_to(tmp_path / "precious")
    (tmp_path / f"cerebros-{os.getuid()}-gpu.lock").mkdir()
    with core_of_its_own() as core, gpu_of_its_own():
        assert core in CORES
    assert (tmp_path / "precious").read_text() == "kept"


def test_work_of_others_on_the_same_core_is_counted():
    core = CORES[0]
    os.sched_setaffinity(0, {core})
    spin = f"import os; os.sched_setaffinity(0, {{{core}}})\nwhile True: pass"
    rival = subprocess.Popen([sys.executable, "-c", spin])
    try:
        before = interruptions()
        while interruptions() == before:
            pass
    finally:
        os.sched_setaffinity(0, CORES)
        rival.kill()
        rival.wait()
