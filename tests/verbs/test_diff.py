"""``ringscope diff``, as a user types it: real captures, simulations, and what it refuses."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from ringscope.cli import main


def diffed(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, Any]:
    code = main(["diff", "--json", *map(str, words)])
    out = capsys.readouterr()
    assert not out.err, out.err
    return code, json.loads(out.out)


def rehearsed(capsys: pytest.CaptureFixture[str], folder: Path, *words: str) -> Path:
    main(["rehearse", "--write", str(folder), *words])
    capsys.readouterr()
    return folder


def test_two_runs_of_one_program_are_the_same(capsys: pytest.CaptureFixture[str], shared: Path) -> None:
    code, found = diffed(capsys, shared / "mi308x" / "streams-16", shared / "mi308x" / "streams-32")
    assert code == 0
    assert found["same"]
    (process,) = found["processes"]
    assert (process["before"], process["after"], process["same_run"]) == (94314, 92849, False)
    assert {(queue["before"], queue["after"], len(queue["changes"])) for queue in process["queues"]} == {
        (True, True, 0)
    }


def test_baseline_to_active(capsys: pytest.CaptureFixture[str], shared: Path) -> None:
    captures = shared / "mi308x" / "streams-16"
    code, found = diffed(capsys, captures / "baseline", captures / "active")
    assert code == 1
    assert [(process["before"], process["after"]) for process in found["processes"]] == [(None, 94314)]
    changed = {device["after"]: device["changes"] for device in found["devices"] if device["changes"]}
    assert changed == {0xF7BC: [{"what": "slots busy", "before": "0", "after": "5"}]}
    assert {answer["id"]: answer["after"]["answer"] for answer in found["answers"]}["idle-mapped"] == "yes"


def test_two_simulations(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    before = rehearsed(capsys, tmp_path / "before", "--streams", "2")
    after = rehearsed(capsys, tmp_path / "after", "--streams", "high,normal", "--processes", "2")
    code, found = diffed(capsys, before, after)
    assert code == 1
    (both,) = [process for process in found["processes"] if process["before"]]
    changes = {queue["name"]: queue["changes"] for queue in both["queues"]}
    assert {"what": "priority", "before": "7 → MEDIUM", "after": "11 → HIGH"} in changes["HIP #1"]
    assert sum(process["before"] is None for process in found["processes"]) == 1
    assert main(["diff", str(before), str(after)]) == 1
    text = capsys.readouterr().out
    assert "is only in B, with 3 queues" in text
    assert re.search("HIP #1 +priority +7 → MEDIUM +→ +11 → HIGH", text)


def test_logs_are_compared_by_what_they_say(capsys: pytest.CaptureFixture[str], shared: Path, tmp_path: Path) -> None:
    log = shared / "mi308x" / "amd-log-level-3.log"
    code, found = diffed(capsys, log, log)
    assert (code, found["same"]) == (0, True)
    lines = log.read_text().splitlines(keepends=True)
    fewer = tmp_path / "fewer.log"
    cut = max(number for number, line in enumerate(lines) if "hipStreamCreate" in line and "Returned" in line)
    fewer.write_text("".join(lines[:cut]))
    code, found = diffed(capsys, log, fewer)
    assert code == 1
    assert {"what": "streams", "before": "16 streams on 4 queues", "after": "15 streams on 4 queues"} in found[
        "settings"
    ]


def test_what_is_no_capture_is_refused_in_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["diff", str(tmp_path), str(tmp_path / "nowhere")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
