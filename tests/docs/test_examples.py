"""Every example of the documentation is run, and its output compared."""

from pathlib import Path

import docs_pages
import pytest


@pytest.mark.parametrize("page", docs_pages.pages(), ids=lambda page: str(page.relative_to(docs_pages.ROOT)))
def test_what_a_page_shows_is_what_appears(page: Path, request: pytest.FixtureRequest) -> None:
    if docs_pages.needs_capture(page):
        request.getfixturevalue("shared")
    status = 0
    with docs_pages.desk(page):
        for example in docs_pages.examples(page):
            got, status = docs_pages.shown(example.command, status)
            where = f"{page.name}:{example.line}: $ {example.command}"
            assert docs_pages.same(example.expected, got), f"{where}\nshows now:\n{got}"
            assert status < 2 or _asked(page, example), f"{where}: exit code {status}"


def _asked(page: Path, example: docs_pages.Example) -> bool:
    found = docs_pages.examples(page)
    after = found[found.index(example) + 1 :]
    return bool(after) and after[0].command == docs_pages.STATUS


def test_a_wrong_page_is_found_out() -> None:
    assert docs_pages.same("a\n...\nd\n", "a\nb\nc\nd\n")
    assert not docs_pages.same("a\n...\nd\n", "a\nb\nc\n")
    assert not docs_pages.same("5 queues\n", "4 queues\n")
