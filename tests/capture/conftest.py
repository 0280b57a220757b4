"""A machine as files: what a modelled device shows, below a root of its own."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from live_machine import write_machine

Tree = Callable[..., Path]


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """Writes (or replaces) the files of a machine whose processes have so many streams each; its root."""
    return partial(write_machine, tmp_path / "machine")
