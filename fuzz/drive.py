"""One target under libFuzzer, in a process of its own: ``python -m fuzz.drive TARGET [libFuzzer's options]``."""

from __future__ import annotations

import importlib
import sys

import atheris


def main(words: list[str]) -> None:
    """Instrument, import, fuzz; never returns."""
    # The engine's text is Numba's to compile: it must stay as it is.
    with atheris.instrument_imports(include=["ringscope"], exclude=["ringscope.engine"]):
        target = importlib.import_module(f"fuzz.{words[0]}")
    atheris.Setup([words[0], *words[1:]], target.one)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
