import sys
from collections.abc import Iterator

import pytest

from ringscope import log


@pytest.fixture(autouse=True)
def _default_again() -> Iterator[None]:
    yield
    log.set_level(log.DEFAULT)


@pytest.mark.parametrize("level", log.LEVELS)
def test_a_level_tells_what_weighs_as_much_or_more(level: str, capsys: pytest.CaptureFixture[str]) -> None:
    log.set_level(level)
    log.warning("a warning")
    log.info("an info")
    log.debug(lambda: "a debug")
    told = capsys.readouterr().err.splitlines()
    assert told == ["ringscope: a warning", "ringscope: an info", "ringscope: a debug"][: log.LEVELS.index(level)]


def test_a_line_that_nobody_reads_is_not_made() -> None:
    log.debug(lambda: pytest.fail("made"))


class Screen:
    def __init__(self) -> None:
        self.text = ""

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> None:
        self.text += text

    def flush(self) -> None:
        pass


def test_progress_is_written_over_and_gone_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    with log.Progress() as progress:
        progress.show("1 of 2")
        progress.show("2 of 2")
    clear = "\r\x1b[K"
    assert screen.text == f"{clear}ringscope: 1 of 2{clear}ringscope: 2 of 2{clear}"


def test_progress_is_not_shown_to_a_file_nor_to_who_wants_few_words(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with log.Progress() as progress:
        progress.show("1 of 2")
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys, "stderr", screen := Screen())
    log.set_level("warning")
    with log.Progress() as progress:
        progress.show("1 of 2")
    assert screen.text == ""
