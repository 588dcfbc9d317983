import pytest

from bridge.process.settings import read_settings
from cerebros.errors import InvalidArgument


def test_variables_win_over_the_file_and_the_file_over_defaults(tmp_path):
    (tmp_path / "cerebros.toml").write_text("lease_s = 7\ntrial_processes = 3\n")
    settings = read_settings({"CEREBROS_HOME": str(tmp_path), "CEREBROS_LEASE_S": "9"})
    assert (settings.lease_s, settings.trial_processes, settings.trial_timeout_s) == (9.0, 3, 600.0)


def test_a_database_of_ones_own_comes_from_database_url(tmp_path):
    url = "postgresql://me@127.0.0.1/db"
    assert read_settings({"CEREBROS_HOME": str(tmp_path), "DATABASE_URL": url}).database_url == url


@pytest.mark.parametrize(
    ("toml", "variables", "account"),
    [
        ("colour = 1", {}, "colour"),
        ("", {"CEREBROS_TRIAL_PROCESSES": "many"}, "trial_processes"),
        ("", {"CEREBROS_TRIAL_PROCESSES": "0"}, "trial_processes"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(tmp_path, toml, variables, account):
    (tmp_path / "cerebros.toml").write_text(toml)
    with pytest.raises(InvalidArgument, match=account):
        read_settings({"CEREBROS_HOME": str(tmp_path)} | variables)
