"""Hex dumps as the driver prints them: rows of an address and up to eight 32-bit words.

``mqds`` and ``rls`` print memory (``seq_hex_dump``), ``hqds`` prints registers (``seq_reg_dump``); the rows look alike.
A :class:`Scanner` walks a file block by block with line numbers, and says what is wrong where it stops.
"""

from __future__ import annotations

import re
from array import array

from ringscope.errors import InputError
from ringscope.evidence.drift import Drift
from ringscope.evidence.files import InputFile
from ringscope.recording import Source
from ringscope.snapshot import Run

ROWS = r"(?: {4}[0-9a-f]{8}:(?: [0-9a-f]{8}){1,8}\n)"
"""One row of ``mqds`` and ``hqds``; ``rls`` indents by two."""

_ROW_HEX = len(" 00000000") * 8
_AGAIN = "capture the file again, whole"


# Text in a block that is no row: what it means may be unknown, but it is whole.
_TEXT = re.compile(r" {1,16}(?!\s*[0-9a-f]{8}:)[A-Za-z][ -~]*\n")
_ROWS = re.compile(rf"{ROWS}+")


class Scanner:
    """Reads a text file as a sequence of blocks; lines that no reader knows are told to ``drift``."""

    def __init__(self, file: InputFile, drift: Drift) -> None:
        self._name = file.name
        self._drift = drift
        self._text = file.text()
        self._cut = len(self._text) if self._text and not self._text.endswith("\n") else None
        if self._cut is not None:
            self._text += "\n"  # a pasted file may lack it; a cut row is not a row and is found out below
        self._at = 0
        self._line = 1

    def more(self) -> bool:
        """Whether anything is left."""
        return self._at < len(self._text)

    @property
    def here(self) -> Source:
        """The next line."""
        return Source(self._name, self._line)

    def take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """The block that begins here, if it has this form; it is passed then."""
        found = pattern.match(self._text, self._at)
        if found:
            self._at = found.end()
            self._line += found.group().count("\n")
        return found

    def pass_unknown(self, rows: bool = False) -> bool:
        """Pass an unknown line of a block, with the rows below it if so asked; False when the next line is none.

        A line that lacks its end is none: it may be a known one, cut.
        """
        at, end = self.here, self._at
        found = _TEXT.match(self._text, end)
        if found is None or found.end() > (self._cut or len(self._text)):
            return False
        self.take(_TEXT)
        below = self.take(_ROWS) if rows else None
        more = f" and {below.group().count(chr(10))} rows" if below else ""
        self._drift.add("line", found.group().rstrip() + more, at)
        return True

    def note(self, what: str, text: str, at: Source) -> None:
        """Tell of something unknown within a block; nothing when there is no text."""
        if text:
            self._drift.add(what, text, at)

    def cut(self, what: str) -> InputError:
        """The error for a block that is not whole; names the line at which it breaks off."""
        line = self._text[self._at : self._at + 200].split("\n", 1)[0]
        shown = f" before {line[:60]!r}" if line else ""
        return InputError(f"{what}{shown}", str(self.here), _AGAIN)


def runs_of(rows: str, indent: int = 4) -> list[Run]:
    """The runs of consecutive words in some rows; ValueError when a short row is continued by the next."""
    runs: list[tuple[int, list[str]]] = []
    following, short = -1, False
    for row in rows.splitlines():
        address, text = int(row[indent : indent + 8], 16), row[indent + 9 :]
        if address != following:
            runs.append((address, []))
        elif short:
            raise ValueError(f"a row before address {address:08x} has too few words")
        runs[-1][1].append(text)
        following, short = address + len(text) // 9 * 4, len(text) != _ROW_HEX
    return [Run(address, _little_endian("".join(texts))) for address, texts in runs]


def words_of(data: bytes) -> str:
    """Some words as the driver prints them."""
    return " ".join(f"{int.from_bytes(data[at : at + 4], 'little'):08x}" for at in range(0, len(data), 4))


def _little_endian(text: str) -> bytes:
    words = array("I", bytes.fromhex(text))
    words.byteswap()  # words are printed most significant byte first
    return words.tobytes()
