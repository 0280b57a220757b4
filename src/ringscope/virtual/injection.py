"""Faults on purpose."""

from __future__ import annotations


class Faults:
    """None yet."""

    def before_create(self) -> None:
        """Before a queue is made."""

    def before_alloc(self, size: int) -> None:
        """Before memory is handed out."""
