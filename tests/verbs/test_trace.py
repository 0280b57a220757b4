"""Golden outputs: what ``ringscope trace`` prints, computed anew and compared to the letter."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ringscope.cli import main

GOLDEN = Path(__file__).parent / "golden"
CASES = {
    "high": [],
    "high-6.1": ["--rocm", "6.1"],
    "shared": ["--priority", "normal", "--stream", "5"],
    "releases": ["--rocm", "5.2", "--rocm", "6.1", "--rocm", "7.0", "--rocm", "develop"],
    "priorities": ["--priority", "high", "--priority", "normal", "--priority", "low"],
    "hard-coded": ["--hard-coded-normal"],
    "mes": ["--gpu", "navi31", "--priority", "low"],
    "gfx8": ["--gpu", "fiji", "--rocm", "5.2"],
}


@pytest.mark.parametrize("name", CASES)
def test_output(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trace", *CASES[name]]) == 0
    shown = capsys.readouterr().out
    assert shown == (GOLDEN / f"trace-{name}.txt").read_text()
    assert max(map(len, shown.splitlines())) <= 100


def test_json_holds_the_same_values(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trace", "--json", "--priority", "high", "--priority", "low", "--rocm", "6.4"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["schema"], found["gpu"]) == ("ringscope.trace/1", "mi308x")
    assert [(walk["rocm"], walk["priority"], walk["values"]["kfd_priority"]) for walk in found["walks"]] == [
        ("6.4", "high", 11),
        ("6.4", "low", 0),
    ]
    assert "cp_hqd_pipe_priority" in found["differs"]
    assert "cp_hqd_quantum" not in found["differs"]
    assert any(line["inferred"] for line in found["walks"][0]["packet"])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--gpu", "mi308z"], "no device 'mi308z'"),
        (["--rocm", "seven"], "no ROCm version"),
        (["--stream", "0"], "count streams from 1"),
        (["--hw-queues", "0"], "GPU_MAX_HW_QUEUES is 0"),
        (["--hw-queues", "400", "--stream", "300"], "ENOSPC: the process holds 255 queues"),
    ],
)
def test_what_cannot_be_walked_is_said_in_one_line(
    words: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["trace", *words]) == 2
    shown = capsys.readouterr()
    assert not shown.out
    assert says in shown.err
    assert shown.err.count("\n") == 1
