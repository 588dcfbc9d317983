from typing import Annotated

import msgspec
import pytest
from msgspec import Meta

from bridge.jobs.settings import JobSettings
from bridge.process.settings import read_settings
from bridge.runs.settings import RunSettings
from bridge.service import SETTINGS
from bridge.store.settings import StoreSettings
from cerebros.errors import Internal, InvalidArgument


def test_variables_win_over_the_file_and_the_file_over_defaults(tmp_path):
    (tmp_path / "cerebros.toml").write_text("lease_s = 7\ntrial_processes = 3\n")
    settings = read_settings(SETTINGS, {"CEREBROS_HOME": str(tmp_path), "CEREBROS_LEASE_S": "9"})
    jobs = settings[JobSettings]
    assert (settings[RunSettings].lease_s, jobs.trial_processes, jobs.trial_timeout_s) == (9.0, 3, 600.0)


def test_a_database_of_ones_own_comes_from_database_url(tmp_path):
    url = "postgresql://me@127.0.0.1/db"
    settings = read_settings(SETTINGS, {"CEREBROS_HOME": str(tmp_path), "DATABASE_URL": url})
    assert settings[StoreSettings].database_url == url


@pytest.mark.parametrize(
    ("toml", "variables", "account"),
    [
        ("colour = 1", {}, "colour"),
        ("", {"CEREBROS_TRIAL_PROCESSES": "many"}, "^CEREBROS_TRIAL_PROCESSES 'many': expected `int`"),
        ("", {"CEREBROS_TRIAL_PROCESSES": "0"}, "^CEREBROS_TRIAL_PROCESSES '0': expected `int` >= 1"),
        ("lease_s = -1", {}, r"^lease_s in .*cerebros\.toml: expected `float` > 0.0; Seconds after which"),
        ("", {"CEREBROS_QUEUE": "gpuu"}, "^CEREBROS_QUEUE 'gpuu': invalid enum value 'gpuu'; Queue .*`cpu` or `gpu`"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(tmp_path, toml, variables, account):
    """Issue 11, kind 20: by the name that the operator set it under, with its meaning."""
    (tmp_path / "cerebros.toml").write_text(toml)
    with pytest.raises(InvalidArgument, match=account):
        read_settings(SETTINGS, {"CEREBROS_HOME": str(tmp_path)} | variables)


class KilnSettings(msgspec.Struct, frozen=True, kw_only=True):
    kiln_limit_c: Annotated[int, Meta(ge=0, extra={"variable": "KILN_LIMIT"})] = 900


def test_a_new_room_has_its_settings_read_with_the_others(tmp_path):
    environ = {"CEREBROS_HOME": str(tmp_path), "KILN_LIMIT": "1100"}
    assert read_settings((*SETTINGS, KilnSettings), environ)[KilnSettings].kiln_limit_c == 1100
    (tmp_path / "cerebros.toml").write_text("kiln_limit_c = -1\n")
    with pytest.raises(InvalidArgument, match=r"^kiln_limit_c in "):
        read_settings((*SETTINGS, KilnSettings), {"CEREBROS_HOME": str(tmp_path)})


def test_changed_settings_leave_the_others_as_they_were(tmp_path):
    settings = read_settings(SETTINGS, {"CEREBROS_HOME": str(tmp_path)})
    changed = settings.changed(lease_s=2.0, trial_processes=7)
    assert (changed[RunSettings].lease_s, changed[JobSettings].trial_processes) == (2.0, 7)
    assert changed[RunSettings].drain_s == settings[RunSettings].drain_s
    assert settings[RunSettings].lease_s == 15.0
    with pytest.raises(Internal, match="colour"):
        settings.changed(colour=1)


def test_two_rooms_cannot_have_a_setting_of_one_name(tmp_path):
    class Other(msgspec.Struct, frozen=True, kw_only=True):
        lease_s: float = 1.0

    with pytest.raises(Internal, match="RunSettings and Other both declare 'lease_s'"):
        read_settings((*SETTINGS, Other), {"CEREBROS_HOME": str(tmp_path)})


def test_settings_that_were_not_read_are_not_made_up(tmp_path):
    with pytest.raises(Internal, match="KilnSettings were not read"):
        read_settings(SETTINGS, {"CEREBROS_HOME": str(tmp_path)})[KilnSettings]
