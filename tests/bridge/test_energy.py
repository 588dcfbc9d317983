"""Joules come from a counter where there is one, and the reading says from which; a GPU's memory counts too."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from bridge.jobs.energy import energy_counter
from bridge.jobs.meter import Meter, processor
from cerebros.metrics import PriceTable

PRICES = PriceTable(usd_per_cpu_hour=0.05, watts_per_cpu=10.0)


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
    meter = Meter(PRICES)
    burn(0.02)
    reading = meter.read()
    if reading.energy_method == "model":
        assert reading.spent.energy_j == pytest.approx(PRICES.modelled_energy_j(reading.spent.cpu_s))
    assert reading.spent.energy_j >= 0.0


def test_what_a_training_holds_on_a_gpu_counts_beside_the_process(monkeypatch):
    import torch

    held = {"peak": 7 * 2**40}  # an earlier training's
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda: held.update(peak=0))
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda: held["peak"])
    meter = Meter(PRICES, on_gpu=True)
    held["peak"] = 2**40
    assert 2**40 < meter.read().peak_mem_bytes < 2 * 2**40
    assert Meter(PRICES).read().peak_mem_bytes < 2**40


def test_without_a_gpu_the_meter_needs_no_torch():
    code = (
        "import sys; from bridge.jobs.meter import Meter; from cerebros.metrics import PriceTable; "
        "assert Meter(PriceTable(0.05, 10.0)).read().peak_mem_bytes > 0; print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_processor_is_named_by_its_model_where_the_system_tells_it(tmp_path):
    told = tmp_path / "cpuinfo"
    told.write_text("processor\t: 0\nmodel\t\t: 2\nmodel name\t: AMD EPYC\n\nprocessor\t: 1\nmodel name\t: AMD EPYC\n")
    assert processor(told) == "AMD EPYC"
    told.write_text("processor\t: 0\nBogoMIPS\t: 50.00\n")  # as 64-bit Arm has it
    assert processor(told)
    assert processor(tmp_path / "none")
