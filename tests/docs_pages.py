"""Examples of the documentation: what a page says to type, and what it says then appears.

A ``console`` block holds commands (lines that begin with ``$ ringscope``) and, below each, what it prints; ``...`` on a
line of its own stands for lines left out. ``$ echo $?`` shows the exit code, which is 0 or 1 where that is not asked.
A code block with a caption is a file that the commands find under that name. ``python tests/docs_pages.py PAGE...``
writes today's output into the blocks that no longer match.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import os
import re
import shlex
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ringscope.cli import main

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
CAPTURE = ROOT.parent / "shared" / "data" / "mi308x" / "streams-16"
PROMPT = "$ "
STATUS = "echo $?"
_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"^```\{code-block\} \w+\n:caption: (\S+)\n\n?(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Example:
    """One command, and what should appear below it."""

    command: str
    expected: str
    line: int


def pages() -> list[Path]:
    """Every page with an example in it."""
    return sorted(path for path in [*DOCS.rglob("*.md"), ROOT / "README.md"] if examples(path))


def examples(page: Path) -> list[Example]:
    """A page's examples in order."""
    text = page.read_text()
    found = []
    for block in _BLOCK.finditer(text):
        line = text.count("\n", 0, block.start(1)) + 1
        for part in re.split(r"^(?=\$ )", block[1], flags=re.MULTILINE):
            if part.startswith(PROMPT):
                command, _, expected = part.partition("\n")
                found.append(Example(command.removeprefix(PROMPT), expected, line))
            line += part.count("\n")
    return found


def needs_capture(page: Path) -> bool:
    """Whether a page reads the real capture that lies beside the project."""
    return any("capture/" in example.command for example in examples(page))


@contextlib.contextmanager
def desk(page: Path) -> Iterator[None]:
    """A scratch folder as the current one, with the files that the page's commands find."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "examples").symlink_to(ROOT / "examples")
        (folder / "capture").symlink_to(CAPTURE)
        for name, content in _FILE.findall(page.read_text()):
            (folder / name).write_text(content)
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(before)


def shown(command: str, status: int) -> tuple[str, int]:
    """What a command prints on both streams, and its exit code; ``status`` is that of the command before."""
    if command == STATUS:
        return f"{status}\n", 0
    words = shlex.split(command, comments=True)
    assert words[0] == "ringscope", f"{command}: only ringscope is run from a page"
    screen = io.StringIO()
    with contextlib.redirect_stdout(screen), contextlib.redirect_stderr(screen):
        try:
            code = main(words[1:])
        except SystemExit as stop:  # argparse's way to end --help and misuse
            code = int(stop.code or 0)
    # How long a step takes to begin depends on what ran before.
    lines = [line for line in screen.getvalue().splitlines() if not line.startswith("ringscope: compiling")]
    return "\n".join(lines) + "\n", code


def same(expected: str, got: str) -> bool:
    """Whether an output is what the page shows; ``...`` stands for anything, space at ends of lines does not count."""

    def tidy(text: str) -> str:
        return "\n".join(line.rstrip() for line in text.strip("\n").splitlines()) + "\n"

    return doctest.OutputChecker().check_output(tidy(expected), tidy(got), doctest.ELLIPSIS)


def refresh(page: Path) -> int:
    """Write today's output into a page; returns how many examples had changed."""
    text = page.read_text()
    changed, status = 0, 0
    with desk(page):
        for example in examples(page):
            got, status = shown(example.command, status)
            if not same(example.expected, got):
                old = f"{PROMPT}{example.command}\n{example.expected}"
                gap = "\n" if example.expected.endswith("\n\n") else ""
                tidy = "\n".join(line.rstrip() for line in got.strip("\n").splitlines())
                text = text.replace(old, f"{PROMPT}{example.command}\n{tidy}\n{gap}", 1)
                changed += 1
    page.write_text(text)
    return changed


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print(f"{name}: {refresh(Path(name).resolve())} examples written")
