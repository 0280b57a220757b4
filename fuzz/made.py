"""Inputs of our own making: what a modelled machine writes, small."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from functools import cache

from ringscope.stack.machine import MachineSpec
from ringscope.stack.rehearse import ProcessSpec, rehearse
from ringscope.stack.rocm import RocmVersion
from ringscope.stack.text import kernel_log, kfd_trace


@cache
def machine(gpu: str = "mi210", rocm: tuple[int, int] = (7, 0)) -> dict[str, bytes]:
    """The files of a machine with one process of two streams."""
    played = rehearse(MachineSpec.of(gpu), [ProcessSpec((0, -1), rocm=RocmVersion(rocm))])
    files = {path: text.encode() for path, text in played.files().items()}
    events = played.kfd.events
    return files | {"dmesg": kernel_log(events).encode(), "trace": kfd_trace(events).encode()}


def all_with(*names: str) -> Iterator[bytes]:
    """Those files of several machines whose path ends so."""
    for gpu in ("mi210", "mi308x", "mi300a"):
        for path, data in machine(gpu).items():
            if path.endswith(names):
                yield data


def database(*statements: str) -> bytes:
    """An SQLite database."""
    connection = sqlite3.connect(":memory:")
    with connection:
        for statement in statements:
            connection.execute(statement)
    return connection.serialize()
