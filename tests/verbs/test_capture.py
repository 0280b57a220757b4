"""``ringscope capture``: what is asked wrongly is refused in one line; real captures are in tests/virtual."""

from __future__ import annotations

from pathlib import Path

import pytest

from ringscope.cli import main
from ringscope.errors import InputError
from ringscope.verbs.capture import seconds


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--during"], "--during without a program"),
        (["--", "true"], "a program without --during"),
        (["--every", "1s"], "--every without a program"),
        (["--every", "soon", "--during", "--", "true"], "no time of at least"),
        (["-o", "bundle.zip"], "a bundle is a .tar.gz or .tar.zst"),
        (["-o", "/nonexistent/bundle.tar.gz"], "cannot be written there"),
    ],
)
def test_what_is_asked_wrongly_is_refused_in_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["capture", *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert says in line
    assert not list(tmp_path.iterdir())


def test_distances_in_time() -> None:
    assert [seconds(text) for text in ("0.5s", "500ms", "2", "1.5min")] == [0.5, 0.5, 2.0, 90.0]
    for text in ("0", "0.01s", "-1s", "nan", "1h", ""):
        with pytest.raises(InputError):
            seconds(text)
