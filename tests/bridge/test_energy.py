"""Joules come from a counter where there is one, and the reading says from which."""

import time
from pathlib import Path

import pytest

from bridge.jobs.energy import energy_counter
from bridge.jobs.meter import Meter
from cerebros.metrics import PriceTable


def machine(tmp_path: Path, energy_uj: int, busy_ticks: int) -> tuple[Path, Path]:
    """A powercap tree as Linux lays it out, with a package and a part of it, and a /proc/stat."""
    for name in ("intel-rapl:0", "intel-rapl:0:0"):
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / "energy_uj").write_text(f"{energy_uj}\n")
        (tmp_path / name / "max_energy_range_uj").write_text("100000000\n")
    (tmp_path / "stat").write_text(f"cpu  {busy_ticks} 0 0 99999 0 0 0 0 0 0\ncpu0 0 0 0 0 0 0 0 0 0 0\n")
    return tmp_path, tmp_path / "stat"


def burn(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def test_a_process_is_charged_its_share_of_the_package(tmp_path):
    counter = energy_counter(False, *machine(tmp_path, 1_000_000, 0))
    burn(0.2)
    machine(tmp_path, 11_000_000, 40)  # 10 J while the machine worked for 0.4 s
    assert counter.method == "rapl"
    assert counter.joules() == pytest.approx(5.0, rel=0.1)


def test_a_counter_that_started_anew_is_no_negative_energy(tmp_path):
    counter = energy_counter(False, *machine(tmp_path, 99_000_000, 0))
    burn(0.05)
    machine(tmp_path, 1_000_000, 1)
    assert counter.joules() == pytest.approx(2.0)


def test_without_a_counter_joules_are_modelled_and_the_reading_says_so(tmp_path):
    assert energy_counter(False, tmp_path, tmp_path / "stat") is None
    prices = PriceTable(usd_per_cpu_hour=0.05, watts_per_cpu=10.0)
    meter = Meter(prices)
    burn(0.02)
    reading = meter.read()
    if reading.energy_method == "model":
        assert reading.spent.energy_j == pytest.approx(prices.modelled_energy_j(reading.spent.cpu_s))
    assert reading.spent.energy_j >= 0.0
