"""Runs of ``ringscope exec`` for tests: what became of a program, and where real ROCm user spaces come from."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import NoReturn

import pytest

from ringscope.evidence.recorded import read
from ringscope.recording import Event, Kind, Recording
from ringscope.virtual.record import NAME
from ringscope.virtual.rocm import FETCH, Root

PROJECT = Path(__file__).parents[1]
PROGRAMS = Path(__file__).parent / "virtual" / "programs"


@dataclass(frozen=True)
class Ran:
    """What became of a program: exit code, its output, what was said on stderr, and the folder of the recording."""

    code: int
    out: str
    err: str
    folder: Path

    @cached_property
    def recording(self) -> Recording:
        return read(self.folder / NAME, NAME)

    def calls(self, name: str) -> list[Event]:
        """The ioctls of one name."""
        return [event for event in self.recording.of(Kind.IOCTL) if event.attrs["name"] == name]

    def clean(self) -> None:
        """No queue stopped, no ioctl was unknown."""
        assert "0 queues stopped by a fault · 0 unknown ioctls" in self.err, self.err


Runner = Callable[..., Ran]
Build = Callable[[Root, str], str]


def absent(why: str) -> NoReturn:
    """Real programs are part of the promise: in CI their absence is a failure."""
    if os.environ.get("CI"):
        pytest.fail(why)
    pytest.skip(why)


def fetched(root: Root) -> Root:
    """A root that is there; the test says why not otherwise."""
    if not root.ready:
        done = subprocess.run([sys.executable, PROJECT / FETCH, root.name], capture_output=True, text=True, check=False)
        if done.returncode:
            absent(done.stderr.strip())
    return root


@cache
def compiled() -> None:
    """The engine in its cache: a command with a time limit does not wait until it is compiled."""
    pytest.importorskip("numba")
    from ringscope.engine.run import Engine
    from ringscope.engine.spec import Machine, Queue, Spec

    Engine(Spec(Machine(), (Queue(),)))


def run_virtual(
    folder: Path, root: Root | None, *words: str, gpu: str = "mi210", options: tuple[str, ...] = (), timeout: int = 120
) -> Ran:
    """Run a command (of a root, when given) on a virtual GPU, recorded into ``folder``."""
    if "time" in options:
        compiled()
    command = root.command(*words) if root else list(words)
    done = subprocess.run(
        [sys.executable, "-m", "ringscope", "exec", "--gpu", gpu, "--record", folder, *options, "--", *command],
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
        env=os.environ | {"PYTHONPATH": str(PROJECT / "src")} | (root.environment() if root else {}),
    )
    return Ran(done.returncode, done.stdout, done.stderr, folder)
