"""``make demo``: the main jobs in one command; real captures and a real ROCm program take part when they are there."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
from pathlib import Path

from ringscope.cli import main
from ringscope.virtual.rocm import FETCH, ROOTS

CAPTURES = Path(__file__).parents[1] / "shared" / "data" / "mi308x"


def title(text: str) -> None:
    """A rule, and what comes next."""
    print(f"\n{'─' * 100}\n{text}", flush=True)


def show(what: str, *words: str) -> None:
    """Run a command as a user would type it, and show that it was typed."""
    title(what)
    typed(*words)


def typed(*words: str) -> None:
    """A command and what it prints; 1 says that it found something, and is no failure."""
    print(f"\n$ ringscope {' '.join(words)}\n", flush=True)
    code = main(list(words))
    if code not in (0, 1):
        sys.exit(code)


def real_program() -> None:
    """An unmodified rocminfo of the newest ROCm that is there, on a virtual MI308X."""
    title("6. A real ROCm program on a virtual MI308X: no GPU, no driver, no root.")
    root = next((root for root in reversed(ROOTS) if root.ready), None)
    if root is None:
        print(f"\n(left out: no ROCm user space is here; {FETCH} fetches three, from Debian's packages)")
        return
    print(f"\n$ ringscope exec --gpu mi308x -- rocminfo        # ROCm {root.rocm}, shortened here\n", flush=True)
    command = [sys.executable, "-m", "ringscope", "exec", "--gpu", "mi308x", "--", *root.command("rocminfo")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    gpu = done.stdout[done.stdout.rindex("Agent 2") :]
    kept = ("Name:", "Marketing Name:", "Compute Unit:", "Chip ID:", "Max Queue Number:", "Queue Max Size:")
    lines = [line for line in gpu.splitlines() if line.strip().startswith(kept)]
    print("\n".join([*lines[:6], *done.stderr.splitlines()]))


def demo() -> None:
    """Rehearse a machine, explain it like a real one, follow a stream down, play it in time; then the real things."""
    with tempfile.TemporaryDirectory() as scratch, contextlib.chdir(scratch):
        streams = ("--streams", "high,low", "--write")
        show(
            "1. Two processes on a modelled MI308X: what would debugfs show, and what does it mean?",
            *("rehearse", "--processes", "2", *streams, "two"),
        )
        title("2. Nine of them: the files that were written are compared like a real machine's.")
        typed("rehearse", "--processes", "9", *streams, "nine", "--output", "nine.txt")
        typed("diff", "two", "nine")
    priorities = ("--priority", "high", "--priority", "low")
    show("3. A stream of high priority, layer by layer.", "trace", "--gpu", "mi308x", "--rocm", "7.0", *priorities[:2])
    show("4. High and low side by side.", "trace", "--gpu", "mi308x", *priorities)
    show("5. 1, 2, 4 and 6 processes in time, under two queue-id policies.", "study", "multi-process")
    show(
        "   Where two services' time goes.", "simulate", str(Path(__file__).parent / "examples" / "two-processes.toml")
    )
    real_program()
    if not CAPTURES.is_dir():
        print("\n(left out: no real captures in ../shared/data beside the project)")
        return
    show(
        "7. A real machine: 8 x MI308X, before, while and after 16 streams ran.",
        "explain",
        str(CAPTURES / "streams-16"),
    )
    log = str(CAPTURES / "amd-log-level-3.log")
    show("8. The runtime's log of such a run: which stream shares which queue?", "explain", log)


if __name__ == "__main__":
    demo()
