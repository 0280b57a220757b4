"""``make demo``: the main jobs in one command; real captures are explained too when they lie beside the project."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from ringscope.cli import main

CAPTURES = Path(__file__).parents[1] / "shared" / "data" / "mi308x"


def show(title: str, *words: str) -> None:
    """Run a command as a user would type it, and show that it was typed."""
    print(f"\n{'─' * 100}\n{title}\n\n$ ringscope {' '.join(words)}\n", flush=True)
    code = main(list(words))
    if code not in (0, 1):
        sys.exit(code)


def demo() -> None:
    """Rehearse a machine, explain it like a real one, follow a stream down; then the real thing."""
    with tempfile.TemporaryDirectory() as scratch:
        machine = str(Path(scratch) / "machine")
        show(
            "1. Two processes on a modelled MI308X: what would debugfs show, and what does it mean?",
            *("rehearse", "--processes", "2", "--streams", "high,low", "--write", machine),
        )
        show("2. The files it wrote are explained like a real machine's.", "explain", machine)
    show(
        "3. A stream of high priority, layer by layer.",
        "trace",
        "--gpu",
        "mi308x",
        "--rocm",
        "7.0",
        "--priority",
        "high",
    )
    show("4. High and low side by side.", "trace", "--priority", "high", "--priority", "low")
    if CAPTURES.is_dir():
        show(
            "5. A real machine: 8 x MI308X, before, while and after 16 streams ran.",
            "explain",
            str(CAPTURES / "streams-16"),
        )
        show(
            "6. The runtime's log of such a run: which stream shares which queue?",
            "explain",
            str(CAPTURES / "amd-log-level-3.log"),
        )
    else:
        print("\n(no real captures in ../shared/data beside the project: the two steps on them are left out)")


if __name__ == "__main__":
    demo()
