"""The configuration of the daemon."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec
import pytest

from sd_daemon.core import json_file
from sd_daemon.core.config import Config, StoredConfig
from sd_wire.errors import InvalidValue
from sd_wire.operations.config import UpdateAppConfig

if TYPE_CHECKING:
    from pathlib import Path


def loaded(tmp_path: Path) -> Config:
    return Config.load(str(tmp_path / "spacedrive.json"), str(tmp_path))


def test_a_new_one_has_defaults_and_writes_nothing(tmp_path: Path) -> None:
    config = loaded(tmp_path)
    assert config.as_wire().log_level == "info"
    assert config.as_wire().data_dir == str(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_a_file_leaves_out_has_its_default(tmp_path: Path) -> None:
    (tmp_path / "spacedrive.json").write_text(
        '{"preferences": {"theme": "dark"}, "a field of the future": 1}'
    )
    wire = loaded(tmp_path).as_wire()
    assert wire.preferences.theme == "dark"
    assert wire.preferences.language == "en"


def test_a_change_names_the_fields_that_differ(tmp_path: Path) -> None:
    config = loaded(tmp_path)
    changed, fields, restart = config.changed_by(
        UpdateAppConfig(theme="dark", language="en", log_level="debug")
    )
    assert fields == ["log_level", "theme"]
    assert not restart
    assert changed.preferences.theme == "dark"
    assert config.stored == StoredConfig()  # nothing happens until it is stored


def test_a_change_that_needs_a_restart_says_so(tmp_path: Path) -> None:
    _, fields, restart = loaded(tmp_path).changed_by(UpdateAppConfig(networking_enabled=True))
    assert fields == ["networking_enabled"]
    assert restart


def test_the_same_again_changes_nothing(tmp_path: Path) -> None:
    assert loaded(tmp_path).changed_by(UpdateAppConfig(theme="system", log_level="info"))[1:] == (
        [],
        False,
    )


def test_a_level_changes_the_filter_and_keeps_its_exceptions(tmp_path: Path) -> None:
    config = loaded(tmp_path)
    config.stored.logging.main_filter = "info, sd_daemon.server=trace"
    changed, _, _ = config.changed_by(UpdateAppConfig(log_level="WARN"))
    assert changed.log_level == "warn"
    assert changed.logging.main_filter == "warn,sd_daemon.server=trace"


def test_a_level_that_there_is_not_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match="'loud' is none of error, warn") as refused:
        loaded(tmp_path).changed_by(UpdateAppConfig(log_level="loud"))
    assert refused.value.pointer == "/payload/log_level"


def test_a_theme_that_there_is_not_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match="'blue' is none of system, light, dark") as refused:
        loaded(tmp_path).changed_by(UpdateAppConfig(theme="blue"))
    assert refused.value.pointer == "/payload/theme"


def test_what_is_stored_is_read_again(tmp_path: Path) -> None:
    config = loaded(tmp_path)
    changed, _, _ = config.changed_by(UpdateAppConfig(theme="dark", telemetry_enabled=True))
    json_file.store(config.path, changed)
    assert loaded(tmp_path).stored == changed


def test_a_damaged_file_is_not_taken_for_a_missing_one(tmp_path: Path) -> None:
    (tmp_path / "spacedrive.json").write_text("{")
    with pytest.raises(msgspec.DecodeError):
        loaded(tmp_path)


def written(tmp_path: Path, text: str) -> None:
    (tmp_path / "spacedrive.json").write_text(text)


def test_what_is_read_again_is_compared_by_the_names_of_an_update(tmp_path: Path) -> None:
    config = loaded(tmp_path)
    written(tmp_path, '{"preferences": {"theme": "dark"}, "job_logging": {"max_file_size": 1}}')
    read = config.read_again()
    assert config.compared_with(read) == (["theme", "job_logging.max_file_size"], False)
    written(tmp_path, '{"services": {"networking_enabled": true}}')
    assert config.compared_with(config.read_again()) == (["networking_enabled"], True)
    written(tmp_path, "{}")
    assert config.compared_with(config.read_again()) == ([], False)


def test_a_level_written_by_hand_is_what_is_recorded(tmp_path: Path) -> None:
    written(tmp_path, '{"logging": {"main_filter": "info,sd_daemon.core=trace"}}')
    config = loaded(tmp_path)
    text = '{"log_level": "debug", "logging": {"main_filter": "%s"}}'
    written(tmp_path, text % "info,sd_daemon.core=trace")
    assert config.read_again().logging.main_filter == "debug,sd_daemon.core=trace"
    written(tmp_path, text % "warn")
    assert config.read_again().logging.main_filter == "warn"


def test_a_file_with_a_level_that_there_is_not_is_refused(tmp_path: Path) -> None:
    written(tmp_path, '{"log_level": "loud"}')
    with pytest.raises(msgspec.ValidationError, match=r"log_level.*'loud' is none of"):
        loaded(tmp_path)


def test_a_setting_that_nobody_knows_is_told_of_and_kept(tmp_path: Path) -> None:
    file = tmp_path / "spacedrive.json"
    file.write_text('{"limits": {"idle_secnods": 5, "idle_seconds": 7}, "colour": {"of": "sky"}}')
    config = Config.load(str(file), str(tmp_path))
    assert [problem.rpartition(" ")[2] for problem in config.problems] == [
        *("limits.idle_secnods", "colour.of")
    ]
    changed, _, _ = config.changed_by(UpdateAppConfig(theme="dark"))
    config.store(changed)
    written = json.loads(file.read_text())
    assert written["limits"]["idle_secnods"] == 5
    assert written["limits"]["idle_seconds"] == 7
    assert written["colour"] == {"of": "sky"}
    assert written["preferences"]["theme"] == "dark"
    written["limits"].pop("idle_secnods")
    file.write_text(json.dumps(written))
    config.read_again()
    assert len(config.problems) == 1
