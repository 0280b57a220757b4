"""``ringscope warmup``."""

import json

import pytest

pytest.importorskip("numba")

from ringscope.cli import main


def test_the_engine_is_ready(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["warmup", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["schema"] == "ringscope.warmup/1"
    assert main(["warmup"]) == 0
    assert "engine ready" in capsys.readouterr().out
