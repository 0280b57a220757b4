"""``ringscope doctor``: what a user sees, and what a script reads."""

import json
import os
from pathlib import Path

import pytest

from ringscope.capture.checks import CHECKS, Here
from ringscope.capture.paths import Paths
from ringscope.cli import main
from ringscope.errors import InputError
from ringscope.report.terminal import Terminal
from ringscope.verbs.doctor import examined


def test_a_bare_machine_gets_a_remedy_for_each_missing_thing(tmp_path: Path) -> None:
    result = examined(Here(Paths(tmp_path), {"PATH": ""}, tmp_path, 1000))
    assert result.exit_code == 1
    assert isinstance(result.data, dict)
    assert len(result.data["checks"]) == len(CHECKS)
    assert all(check["remedy"] for check in result.data["checks"] if check["status"] == "missing")
    text = result.text(Terminal())
    assert "missing  driver.module" in text
    assert "→ sudo modprobe amdgpu" in text


def test_checks_can_be_named_alone_or_by_group(tmp_path: Path) -> None:
    here = Here(Paths(tmp_path), {}, tmp_path, 1000)
    result = examined(here, ("debugfs", "output.filesystem"))
    assert isinstance(result.data, dict)
    names = [check["name"] for check in result.data["checks"]]
    assert names == ["debugfs.mounted", "debugfs.mqds", "debugfs.hqds", "debugfs.rls", "output.filesystem"]
    assert examined(here, ("output",)).exit_code == 0
    with pytest.raises(InputError, match="no check 'gpu'"):
        examined(here, ("gpu",))


def test_json_on_this_machine(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["doctor", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert found["schema"] == "ringscope.doctor/1"
    statuses = {check["status"] for check in found["checks"]}
    assert statuses <= {"ok", "missing", "note"}
    assert code == int("missing" in statuses)
    user = next(check for check in found["checks"] if check["name"] == "environ.run-as-user")
    assert user["status"] == ("ok" if os.geteuid() == 0 else "note")
