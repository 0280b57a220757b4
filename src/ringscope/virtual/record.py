"""Recording."""

from __future__ import annotations


class Recorder:
    """Later."""
