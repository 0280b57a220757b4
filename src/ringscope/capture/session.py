"""A capture from beginning to end: the moments of a program's life, and what explains them.

Queues are looked for in sysfs, which costs next to nothing; debugfs is read only at the moments: before the program,
once its queues have stopped coming, under load from then on, and after it. Kernels usually start well after the queues
they run on, which is why one look at the queues is not enough.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ringscope import __version__
from ringscope.capture.checks import knobs, tool_path
from ringscope.capture.moment import DISTURBS, Clocks, Taken, take
from ringscope.capture.paths import Paths, line, read, why
from ringscope.capture.redact import Redactor, redacted
from ringscope.errors import InputError
from ringscope.records import dataclass, field

LOG_LEVEL = "3"
"""AMD_LOG_LEVEL of the program unless it is set: streams and the queues they map to, and no line a dispatch."""

FIRST_LOAD_S = 0.5
"""From the moment that queues stand still to the first look under load; each further one comes twice as late."""

SNAPSHOTS_LIMIT = 1000
"""Most moments of a capture; beyond them only the last one is taken."""

_POLL_S = 0.02
_STILL_S = 0.2
_PATIENCE_S = 1.0
"""Longest that new queues wait to be looked at while others keep coming and going."""
_TOOL_S = 30
_SNAPSHOT_BYTES_LIMIT = 1 << 30
_TOOLS = (("amd-smi", ("static",)), ("amd-smi", ("metric",)), ("rocm-smi", ()))


@dataclass(frozen=True)
class Plan:
    """What was asked for: a program to watch (none: one snapshot of now), and a fixed distance of looks under load."""

    command: tuple[str, ...] = ()
    every_s: float | None = None
    redact: bool = False


@dataclass
class Captured:
    """Everything taken: files by path, what the manifest says besides, and how the program ended."""

    files: dict[str, bytes] = field(default_factory=dict)
    about: dict[str, Any] = field(default_factory=dict)
    exit_code: int | None = None


def capture(plan: Plan, paths: Paths, environment: Mapping[str, str], say: Callable[[str], None]) -> Captured:
    """Take the evidence.

    Args:
        plan: what was asked for.
        paths: the machine.
        environment: the program's, and where tools are looked for.
        say: told what is going on, a line at a time.

    Raises:
        InputError: the program cannot be started, or nothing at all can be read here.
    """
    return _Session(plan, paths, environment, say).run()


class _Session:
    def __init__(self, plan: Plan, paths: Paths, environment: Mapping[str, str], say: Callable[[str], None]) -> None:
        self._plan = plan
        self._paths = paths
        self._environment = environment
        self._say = say
        self._moments: list[Taken] = []
        self._bytes = 0
        self._processes: dict[int, dict[str, Any]] = {}
        self._users: set[int] = {os.getuid()}
        self._unread: dict[str, str] = {}
        self._files: dict[str, bytes] = {}

    def run(self) -> Captured:
        begin = Clocks.now()
        exit_code = None
        if self._plan.command:
            self._take("before")
            with tempfile.TemporaryDirectory(prefix="ringscope-") as scratch:
                exit_code = self._watch(Path(scratch))
            self._take("after")
        else:
            self._take("now")
        self._topology()
        if not self._files and not any(taken.files for taken in self._moments):
            path, reason = next(iter(self._unread.items()), ("/sys/class/kfd", "no such file or directory"))
            raise InputError(f"nothing can be captured here: {reason}", path, "ringscope doctor says what is missing")
        self._kernel_log()
        self._tools()
        for number, taken in enumerate(self._moments, 1):
            for path, data in taken.files.items():
                self._files[f"{number}-{taken.label}/{path}"] = data
        captured = Captured(self._files, self._about(begin, exit_code), exit_code)
        if self._plan.redact:
            redactor = self._redactor()
            for process in captured.about["processes"]:
                process |= {"name": redactor.program(process["name"]), "command": []}
            captured.about["command"] = ["redacted"] if self._plan.command else []
            captured.about = redactor.value(captured.about)
            captured.files = redacted(captured.files, redactor)
        return captured

    # --- moments ------------------------------------------------------------------------------------------------

    def _take(self, label: str) -> None:
        taken = take(self._paths, label)
        self._moments.append(taken)
        self._bytes += sum(map(len, taken.files.values()))
        self._unread |= dict(taken.unread)
        for pid in taken.pids:
            if pid not in self._processes:
                self._processes[pid] = self._process(pid)
        torn = f" (changed meanwhile: {'; '.join(taken.changed)})" if taken.changed else ""
        several = "" if len(taken.pids) == 1 else "es"
        self._say(f"{label}: {len(taken.pids)} process{several}{torn}")

    def _watch(self, scratch: Path) -> int:
        """Run the program to its end, looking at the right moments; its exit code, 128 + n for signal n."""
        environment = dict(self._environment)
        log = scratch / "amd.log"
        environment.setdefault("AMD_LOG_LEVEL", LOG_LEVEL)
        environment.setdefault("AMD_LOG_LEVEL_FILE", str(log))
        baseline = self._queues()
        try:
            program = subprocess.Popen(self._plan.command, env=environment)  # noqa: S603  the user's own program
        except OSError as error:
            raise InputError(why(error), self._plan.command[0], "give the program to run behind --") from None
        # An interrupt from the terminal reaches the program too; what it held until then is evidence.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            self._look(program, baseline)
        finally:
            signal.signal(signal.SIGINT, before)
            if program.poll() is None:
                program.kill()
                program.wait()
        self._logs(scratch, log)
        code = program.returncode
        return code if code >= 0 else 128 - code

    def _look(self, program: subprocess.Popen[bytes], seen: frozenset[tuple[str, str]]) -> None:
        """Moments until the program has ended."""
        still_since = time.monotonic()
        new_since: float | None = None
        taken = seen
        due: float | None = None
        gap = self._plan.every_s or FIRST_LOAD_S
        while program.poll() is None:
            time.sleep(_POLL_S)
            now = time.monotonic()
            queues = self._queues()
            if queues != seen:
                seen, still_since = queues, now
            if queues - taken:
                new_since = new_since or now
                if (now - still_since >= _STILL_S or now - new_since >= _PATIENCE_S) and self._room():
                    self._take("queues")
                    taken, new_since, due = queues, None, time.monotonic() + gap
            if due is not None and now >= due and queues and self._room():
                self._take("load")
                gap *= 1 if self._plan.every_s else 2
                due = time.monotonic() + gap

    def _room(self) -> bool:
        return len(self._moments) < SNAPSHOTS_LIMIT - 1 and self._bytes < _SNAPSHOT_BYTES_LIMIT

    def _queues(self) -> frozenset[tuple[str, str]]:
        """Every queue that sysfs lists, as pid and queue id."""
        found = set()
        root = self._paths.kfd / "proc"
        with suppress(OSError):
            for process in root.iterdir():
                with suppress(OSError):  # it may go while it is looked at
                    found |= {(process.name, queue.name) for queue in (process / "queues").iterdir()}
        return frozenset(found)

    # --- what explains them -------------------------------------------------------------------------------------

    def _process(self, pid: int) -> dict[str, Any]:
        """A process's name, its pids from the host's namespace inwards, and its command line."""
        folder = self._paths.proc / str(pid)
        try:
            status = read(folder / "status").decode("utf-8", "replace")
            command = read(folder / "cmdline").decode("utf-8", "replace").split("\0")[:-1]
        except OSError as error:
            self._unread[f"/proc/{pid}/status"] = why(error)
            return {"pids": [pid], "name": "", "command": []}
        rows = dict(row.split(":\t", 1) for row in status.splitlines() if ":\t" in row)
        self._users |= {int(uid) for uid in rows.get("Uid", "").split()[:1]}
        pids = [int(number) for number in rows.get("NSpid", "").split()]
        return {"pids": pids if pids[:1] == [pid] else [pid], "name": rows.get("Name", ""), "command": command}

    def _logs(self, scratch: Path, log: Path) -> None:
        """What the runtimes of the program's processes wrote: since ROCm 6 a file a process, named by its pid."""
        for path in sorted(scratch.glob(f"{log.name}*")):
            pid = path.name.removeprefix(log.name).lstrip("_")
            try:
                data = read(path)
            except OSError as error:
                self._unread[path.name] = why(error)
                continue
            if data:
                self._files[f"logs/amd-{pid}.log" if pid.isdecimal() else "logs/amd.log"] = data

    def _topology(self) -> None:
        root = self._paths.kfd / "topology/nodes"
        try:
            nodes = sorted(root.iterdir())
        except OSError as error:
            self._unread["/sys/class/kfd/kfd/topology/nodes"] = why(error)
            return
        for node in nodes:
            for name in ("gpu_id", "name", "properties"):
                try:
                    self._files[f"topology/nodes/{node.name}/{name}"] = read(node / name)
                except OSError as error:
                    self._unread[f"/sys/class/kfd/kfd/topology/nodes/{node.name}/{name}"] = why(error)

    def _kernel_log(self) -> None:
        dmesg = shutil.which("dmesg", path=self._environment.get("PATH"))
        said = self._output([dmesg]) if dmesg else "no such program"
        if isinstance(said, bytes) and said.strip():
            self._files["logs/kernel.log"] = said
        else:
            self._unread["dmesg"] = said if isinstance(said, str) else "empty: the log was cleared"

    def _tools(self) -> None:
        for tool, words in _TOOLS:
            program = tool_path(self._paths, tool, self._environment.get("PATH"))
            if program is None:
                continue
            said = self._output([program, *words])
            name = " ".join((tool, *words))
            if isinstance(said, bytes) and said:
                self._files[f"machine/{name.replace(' ', '-')}.txt"] = said
            else:
                self._unread[name] = said if isinstance(said, str) else "it printed nothing"

    def _output(self, command: Sequence[str]) -> bytes | str:
        """What a program prints; why not, in words, when it fails."""
        try:
            done = subprocess.run(  # noqa: S603  dmesg and AMD's own tools, with words of ours
                command, capture_output=True, check=False, timeout=_TOOL_S, env=dict(self._environment)
            )
        except subprocess.TimeoutExpired:
            return f"no answer in {_TOOL_S} s"
        except OSError as error:
            return why(error)
        if done.returncode:
            said = done.stderr.decode("utf-8", "replace").strip().splitlines()
            return said[-1] if said else f"exit code {done.returncode}"
        return done.stdout

    def _facts(self) -> dict[str, int | str]:
        """Versions, module parameters and the variables that matter."""
        module = self._paths.module
        facts: dict[str, int | str] = {
            "kernel": line(self._paths.proc / "sys/kernel/osrelease"),
            "amdgpu": line(module / "version"),
            "rocm": line(self._paths.at("/opt/rocm/.info/version")),
        }
        try:
            parameters = sorted((module / "parameters").iterdir())
        except OSError as error:
            self._unread["/sys/module/amdgpu/parameters"] = why(error)
            parameters = []
        facts |= {f"amdgpu.{path.name}": line(path) for path in parameters}
        facts |= {f"env.{name}": value for name, value in knobs(self._environment).items()}
        return {name: value for name, value in facts.items() if value != ""}

    def _about(self, begin: Clocks, exit_code: int | None) -> dict[str, Any]:
        facts = self._facts()
        container = self._paths.in_container
        return {
            "ringscope": __version__,
            "redacted": self._plan.redact,
            "root": os.geteuid() == 0,
            "in_container": container,
            "command": list(self._plan.command),
            "exit_code": exit_code,
            "clocks": {"begin": vars(begin), "end": vars(Clocks.now())},
            "snapshots": [
                {
                    "folder": f"{number}-{taken.label}",
                    "begin": vars(taken.begin),
                    "end": vars(taken.end),
                    "attempts": taken.attempts,
                    "changed": list(taken.changed),
                    "read_ns": taken.read_ns,
                }
                for number, taken in enumerate(self._moments, 1)
            ],
            "unread": [{"path": path, "why": reason} for path, reason in sorted(self._unread.items())],
            "processes": [self._processes[pid] for pid in sorted(self._processes)],
            "facts": facts,
            "disturbs": DISTURBS,
        }

    def _redactor(self) -> Redactor:
        users = {self._environment.get(name, "") for name in ("USER", "LOGNAME", "SUDO_USER")}
        texts = {str(Path.cwd()), self._environment.get("HOME", ""), sys.argv[0]}
        for uid in self._users:
            with suppress(KeyError):
                entry = pwd.getpwuid(uid)
                users.add(entry.pw_name)
                texts.add(entry.pw_dir)
        commands = [list(self._plan.command), *(process["command"] for process in self._processes.values())]
        for command in commands:
            texts |= {" ".join(command), *(word for word in command if "/" in word)}
        hosts = {line(self._paths.proc / "sys/kernel/hostname"), self._environment.get("HOSTNAME", "")}
        return Redactor(users, hosts, texts - {"", "/"})
