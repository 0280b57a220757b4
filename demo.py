"""``make demo``: the main job in one command, on a real capture when it lies beside the project."""

from __future__ import annotations

import sys
from pathlib import Path

from ringscope.cli import main

CAPTURES = Path(__file__).parents[1] / "shared" / "data" / "mi308x"


def show(*words: str) -> int:
    """Run a command as a user would type it, and show that it was typed."""
    print(f"\n$ ringscope {' '.join(words)}\n", flush=True)
    return main(list(words))


def demo() -> int:
    """Show what ringscope does; returns an exit code for make."""
    if not CAPTURES.is_dir():
        print("the real captures are not here: put them in ../shared/data/mi308x beside the project")
        return 1
    show("explain", str(CAPTURES / "streams-16"))
    show("explain", str(CAPTURES / "amd-log-level-3.log"))
    return 0


if __name__ == "__main__":
    sys.exit(demo())
