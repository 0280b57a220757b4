"""What is said of a report of pip-audit, and that one which was not made is never taken for a good one."""

import runpy
from pathlib import Path
from typing import Any

import pytest

told = runpy.run_path(str(Path(__file__).parents[2] / "scripts" / "audit.py"))["told"]
GOOD: dict[str, Any] = {"name": "numpy", "version": "2.0.0", "vulns": []}
BAD = {"name": "old", "version": "1", "vulns": [{"id": "PYSEC-1", "fix_versions": ["1.1"]}]}
SKIPPED = {"name": "x", "skip_reason": "not found on PyPI and could not be audited: x (1)"}


@pytest.mark.parametrize(
    ("dependencies", "code", "text"),
    [
        ([GOOD, GOOD], 0, "audit: 2 packages, no known vulnerability"),
        ([GOOD, BAD, SKIPPED], 1, "old 1: PYSEC-1, mended in 1.1"),
        ([GOOD, SKIPPED], 2, "audit: 1 of 2 were not audited: not found on PyPI and could not be audited: x (1)"),
    ],
)
def test_an_audit_has_passed_only_when_every_package_was_asked_for(
    dependencies: list[dict[str, Any]], code: int, text: str
) -> None:
    assert told({"dependencies": dependencies}) == (code, text)


def test_no_report_is_one_line_and_no_pass() -> None:
    assert told(None, "ConnectionError: no route") == (2, "audit: nothing was audited: ConnectionError: no route")
    assert told(None)[0] == 2
