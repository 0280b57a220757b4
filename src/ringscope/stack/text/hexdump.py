"""The two hex dumps of amdkfd's debugfs files, formatted in bulk.

``seq_hex_dump`` shows memory (MQDs, runlists) with offsets, ``seq_reg_dump`` registers with addresses; both print
eight 32-bit words a line (T/amdkfd/kfd_mqd_manager_v9.c ``debugfs_show_mqd``, kfd_device_queue_manager.c
``seq_reg_dump``). A machine full of queues dumps hundreds of thousands of lines, hence whole images at a time and no
work per word.
"""

from __future__ import annotations

import sys
from array import array
from functools import lru_cache

WORDS_A_LINE = 8
LINE_CHARS = 9 * WORDS_A_LINE
"""Characters of a line's words: eight digits and a space each."""


def memory(data: bytes, indent: str) -> str:
    """``data`` (bytes, a multiple of 4) as ``seq_hex_dump`` prints it: offsets from 0, each line behind ``indent``.

    The text starts with a newline and ends without one, so that dumps and titles are joined by concatenation.
    """
    return _lines(data, _starts(0, len(data), indent))


def registers(base: int, data: bytes) -> str:
    """Consecutive registers from byte address ``base`` on, as ``seq_reg_dump`` prints them; joined like dumps."""
    return _lines(data, _starts(base, len(data), "    "))


@lru_cache(maxsize=4096)
def _starts(base: int, size: int, indent: str) -> tuple[str, ...]:
    """What stands before the words of each line: there are few different ones, and each is used thousands of times."""
    return tuple(f"\n{indent}{at:08x}: " for at in range(base, base + size, 4 * WORDS_A_LINE))


def _lines(data: bytes, starts: tuple[str, ...]) -> str:
    words = array("I", data)
    if sys.byteorder == "little":
        words.byteswap()
    digits = words.tobytes().hex(" ", 4)
    places = range(0, len(digits), LINE_CHARS)
    return "".join([start + digits[at : at + LINE_CHARS - 1] for start, at in zip(starts, places, strict=True)])
