"""Writers against readers: a real capture, read and written again, is the same file to the byte."""

from __future__ import annotations

from pathlib import Path

import pytest

from ringscope.evidence.collect import collect
from ringscope.stack.text import hqds, mqds

MOMENTS = [f"streams-{streams}/{moment}" for streams in (16, 32) for moment in ("baseline", "active", "after")]


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_real_capture_is_written_as_it_was_read(shared: Path, moment: str) -> None:
    folder = shared / "mi308x" / moment
    (snapshot,) = collect([folder]).snapshots
    assert mqds(snapshot) == (folder / "mqds").read_text()
    assert hqds(snapshot) == (folder / "hqds").read_text()
