"""Hard use, of every verb: full disks, read-only targets, closed pipes, no terminal, other locales, kills, two at once.

Each ends in a result or in one line with exit code 2, and nothing is ever half-written.
"""

from __future__ import annotations

import json
import os
import random
import re
import resource
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from commands import COMMANDS, furnish
from live_machine import write_machine

from ringscope.cli import VERBS
from ringscope.evidence.collect import collect

FINISHED = {0, 1, 3}
HEAVY = {"calibrate", "claims", "study", "sweep", "validate", "warmup"}
"""Verbs that compute for seconds; what they print goes the way of all others, so that it is tried less often."""
LIGHT = [verb for verb in VERBS if verb not in HEAVY]
WRITERS = [verb for verb in LIGHT if verb not in {"capture", "exec", "serve", "watch", "top"}]
"""Verbs whose result goes to --output; capture's is its bundle and has tests of its own."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the commands read."""
    return furnish(tmp_path_factory.mktemp("hard"))


def command(verb: str, *more: str | Path) -> list[str]:
    words = COMMANDS.get(verb, ())
    cut = words.index("--") if "--" in words else len(words)
    return [sys.executable, "-m", "ringscope", verb, *words[:cut], *map(str, more), *words[cut:]]


def run(
    folder: Path, words: list[str], environment: dict[str, str] | None = None, **options: Any
) -> subprocess.CompletedProcess[str]:
    variables = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONUNBUFFERED": ""} | (environment or {})
    given: dict[str, Any] = {"stdout": subprocess.PIPE, "stdin": subprocess.DEVNULL}
    done = subprocess.run(words, check=False, cwd=folder, env=variables, stderr=subprocess.PIPE, **given | options)
    out, errors = ((stream or b"").decode("utf-8", "replace") for stream in (done.stdout, done.stderr))
    return subprocess.CompletedProcess(words, done.returncode, out, errors)


def one_line(done: subprocess.CompletedProcess[str]) -> str:
    """The one line of an error; lines of progress before it are allowed."""
    assert done.returncode == 2, (done.returncode, done.stderr)
    assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr, done.stderr
    lines = done.stderr.splitlines()
    assert lines and all(line.startswith("ringscope: ") for line in lines), done.stderr
    return lines[-1]


def sound(done: subprocess.CompletedProcess[str]) -> None:
    """A result, or one line that says why there is none."""
    if done.returncode not in FINISHED:
        one_line(done)
    assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr, done.stderr


# --- where the output goes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "validate"])
def test_a_full_disk_behind_standard_output(folder: Path, verb: str) -> None:
    with Path("/dev/full").open("w") as full:
        done = run(folder, command(verb), stdout=full)
    if verb == "exec":
        assert done.returncode == 1, "the program's own output is its own affair"
        return
    line = one_line(done)
    assert "standard output: cannot be written (No space left on device)" in line or verb in (
        "capture",
        "serve",
        "watch",
        "top",
    )


def test_help_on_a_full_disk(folder: Path) -> None:
    with Path("/dev/full").open("w") as full:
        for words in (["--help"], ["explain", "--help"]):
            assert "No space left" in one_line(run(folder, [sys.executable, "-m", "ringscope", *words], stdout=full))


@pytest.mark.parametrize("verb", LIGHT)
def test_a_reader_that_goes_away(folder: Path, verb: str) -> None:
    read, write = os.pipe()
    os.close(read)
    try:
        done = run(folder, command(verb), stdout=write)
    finally:
        os.close(write)
    if verb != "exec":
        sound(done)


@pytest.mark.parametrize("verb", WRITERS)
def test_a_full_disk_below_a_target(folder: Path, verb: str, tmp_path: Path) -> None:
    """Nothing longer than 16 bytes can be written: the target is not there afterwards, and nothing else is."""

    def little() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (16, 16))

    target = tmp_path / "out"
    done = run(folder, command(verb, "--json", "--output", target), preexec_fn=little)
    assert "cannot be written (File too large)" in one_line(done)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("verb", WRITERS)
def test_a_read_only_target(folder: Path, verb: str) -> None:
    assert "/proc/out: cannot be written" in one_line(run(folder, command(verb, "--json", "--output", "/proc/out")))


@pytest.mark.parametrize("verb", WRITERS)
def test_two_at_once_write_one_whole_file(folder: Path, verb: str, tmp_path: Path) -> None:
    target = tmp_path / "out.json"
    words = command(verb, "--json", "--output", target)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    both = [subprocess.Popen(words, cwd=folder, env=environment, stderr=subprocess.DEVNULL) for _ in range(2)]
    assert {process.wait() for process in both} <= FINISHED
    assert json.loads(target.read_text())["schema"]
    assert list(tmp_path.iterdir()) == [target]
    assert target.stat().st_mode & 0o777 == 0o600


# --- where it runs -------------------------------------------------------------------------------------------------


def test_signs_that_a_locale_lacks_are_written_otherwise(folder: Path) -> None:
    done = run(folder, command("explain"), {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"})
    assert "1 XCC - " in done.stdout or " - 4 XCC - " in done.stdout
    assert "->" in done.stdout and "?" not in done.stdout.split("answer")[0].splitlines()[0]


@pytest.mark.parametrize("verb", VERBS)
def test_no_terminal_no_locale_no_home_and_no_cache(folder: Path, verb: str) -> None:
    """The engine's compiled code is looked for where it was; nothing else that is kept can be."""
    kept = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    bare = {"NUMBA_CACHE_DIR": os.environ.get("NUMBA_CACHE_DIR") or str(Path(kept) / "ringscope" / "numba")}
    bare |= {"TERM": "", "COLUMNS": "", "HOME": "/proc/nowhere", "XDG_CACHE_HOME": "/proc/nowhere", "LC_ALL": "C"}
    bare |= {"PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "PYTHONIOENCODING": ""}
    done = run(folder, command(verb), bare)
    sound(done)
    assert done.stdout or done.returncode == 2
    assert (done.stdout + done.stderr).isascii() and "\x1b" not in done.stdout + done.stderr


# --- killed --------------------------------------------------------------------------------------------------------


def killed_at_random(folder: Path, words: list[str], longest_s: float, seed: int, times: int = 3) -> None:
    """Start the command so often, and kill it with all its children each time."""
    dice = random.Random(seed)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    for _ in range(times):
        process = subprocess.Popen(
            words, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
        time.sleep(dice.uniform(0.05, longest_s))
        os.killpg(process.pid, 9)
        process.wait()


def seconds_of(folder: Path, words: list[str]) -> float:
    begun = time.monotonic()
    assert run(folder, words).returncode in FINISHED
    return time.monotonic() - begun


@pytest.mark.parametrize("option", ["--output", "--html"])
def test_killed_while_it_explains(folder: Path, option: str, tmp_path: Path) -> None:
    whole, target = tmp_path / "whole", tmp_path / "killed"
    took = seconds_of(folder, command("explain", "--json", option, whole))
    killed_at_random(folder, command("explain", "--json", option, target), 1.2 * took, seed=len(option))
    # Either nothing, or all of it; what was being written aside is hidden and never taken for it.
    assert not target.exists() or target.read_bytes() == whole.read_bytes()
    assert all(path.name.startswith(".killed.") for path in set(tmp_path.iterdir()) - {whole, target})
    assert run(folder, command("explain", "--json", option, target)).returncode in FINISHED
    assert target.read_bytes() == whole.read_bytes()


def test_killed_while_it_runs_a_program(folder: Path, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "ringscope", "exec", "--record", "killed", "--", "sleep", "0.2"]
    seconds_of(tmp_path, words)
    shutil.rmtree(tmp_path / "killed")
    for seed in range(3):
        killed_at_random(tmp_path, words, 0.7, seed, times=1)
        recording = tmp_path / "killed" / "recording.jsonl"
        if recording.exists():
            (found,) = collect([recording]).recordings
            assert found.facts["exit_code"] == 0
        shutil.rmtree(tmp_path / "killed", ignore_errors=True)
    assert run(tmp_path, words).returncode == 0
    assert collect([tmp_path / "killed" / "recording.jsonl"]).recordings
    assert (tmp_path / "killed").stat().st_mode & 0o777 == 0o700


CAPTURE = """
import sys, time
from pathlib import Path
from ringscope.capture import paths
real = paths.Paths
import ringscope.verbs.capture as verb
verb.Paths = lambda: real(Path(sys.argv[1]))
from ringscope.cli import main
sys.exit(main(["capture", "-o", sys.argv[2], "--during", "--", "sleep", "0.5"]))
"""


@pytest.mark.parametrize("suffix", [".tar.gz", ".tar.zst"])
def test_killed_while_it_captures(tmp_path: Path, suffix: str) -> None:
    machine = write_machine(tmp_path / "machine", 2, 3)
    out = tmp_path / "out"
    out.mkdir()
    target = out / f"bundle{suffix}"
    words = [sys.executable, "-c", CAPTURE, str(machine), str(target)]
    took = seconds_of(tmp_path, words)
    assert target.stat().st_mode & 0o777 == 0o600
    target.unlink()
    for seed in range(2):
        killed_at_random(tmp_path, words, 1.1 * took, seed, times=1)
        if target.exists():
            assert collect([target]).snapshots
        target.unlink(missing_ok=True)
    assert run(tmp_path, words).returncode in FINISHED
    assert len(collect([target]).snapshots) >= 2


def test_two_captures_at_once_are_both_whole(tmp_path: Path) -> None:
    machine = write_machine(tmp_path / "machine", 2)
    words = [sys.executable, "-c", CAPTURE, str(machine), str(tmp_path / "bundle.tar.gz")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    both = [
        subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for _ in "12"
    ]
    assert {process.wait() for process in both} <= FINISHED
    with tarfile.open(tmp_path / "bundle.tar.gz") as tar:
        assert "bundle/manifest.json" in tar.getnames()
    assert collect([tmp_path / "bundle.tar.gz"]).snapshots


# --- size ----------------------------------------------------------------------------------------------------------

PEAK = """
import sys
from ringscope.evidence.collect import collect
from ringscope.errors import RingscopeError
try:
    collect([sys.argv[1]])
except RingscopeError as error:
    print(error, file=sys.stderr)
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
"""
AMD_LINE = b":3:hip_module.cpp :1 : 3 us: [pid:7 tid:0x7] hipLaunchKernel: Returned hipSuccess : : duration: 12 us\n"
CSV_HEAD = b'"Kind","Queue_Id","Kernel_Name","Start_Timestamp","End_Timestamp"\n'
LARGE: dict[str, tuple[bytes, Callable[[], bytes]]] = {
    "runtime log": (AMD_LINE, lambda: AMD_LINE),
    "kernel trace": (CSV_HEAD, lambda: b'K,1,"' + b"f" * 4000 + b'",10,20\n'),
    "zeros": (b"\0", lambda: bytes(4096)),
}


@pytest.mark.parametrize("what", LARGE)
def test_memory_does_not_grow_with_the_input(what: str, tmp_path: Path) -> None:
    """48 MB through a pipe are read in as much memory as 12 MB, give or take; ``bench size`` measures 5 GB."""
    peaks = []
    for megabytes in (12, 48):
        fifo = tmp_path / f"pipe-{megabytes}"
        os.mkfifo(fifo)
        head, more = LARGE[what]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
        child = subprocess.Popen(
            [sys.executable, "-c", PEAK, str(fifo)], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        block = more() * (1 + (1 << 20) // len(more()))
        try:
            with fifo.open("wb") as out:
                out.write(head)
                for _ in range(megabytes):
                    out.write(block)
        except BrokenPipeError:
            pass  # refused before its end
        said, complained = child.communicate()
        assert child.returncode == 0, complained
        peaks.append(int(re.findall(rb"\d+", said)[-1]) >> 10)
    assert peaks[1] < peaks[0] + 16, peaks
