"""What can be captured here, as this user, and what to do where it cannot: one named check a source.

Checks look and never change: a debugfs file is opened and closed, which makes the kernel print nothing. Names are
``group.check``, as ``rocprofv3 --doctor`` has them.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import Path

from ringscope.capture.paths import Paths, line, read, why
from ringscope.records import dataclass, field

BUNDLE_BYTES = 64 << 20
"""Room that a capture of some ten snapshots of a large machine needs at most."""

KNOBS = ("GPU_", "HIP_", "HSA_", "ROCR_", "ROC_", "AMD_", "DEBUG_", "CUDA_VISIBLE_DEVICES")
"""How the names of variables begin that change which queues a program gets, or what it logs."""


class Status(Enum):
    """How a check went; the value is the word in JSON."""

    OK = "ok"
    MISSING = "missing"  # evidence cannot be taken
    NOTE = "note"  # it can, and the user should know this


@dataclass(frozen=True)
class Check:
    """One check: what was found, and when something is missing the exact remedy (a command where there is one)."""

    name: str
    status: Status
    found: str
    remedy: str = ""


@dataclass(frozen=True)
class Here:
    """What is examined: the machine, the environment, where a capture would be written, and who asks."""

    paths: Paths = field(default_factory=Paths)
    environment: Mapping[str, str] | None = None
    folder: Path = Path()
    uid: int | None = None

    @property
    def variables(self) -> Mapping[str, str]:
        """The environment."""
        return os.environ if self.environment is None else self.environment

    @property
    def is_root(self) -> bool:
        """Whether the asking user is root."""
        return (os.geteuid() if self.uid is None else self.uid) == 0


def sudo(here: Here) -> str:
    """How to run a capture as root from here: sudo forgets PATH."""
    program = shutil.which("ringscope", path=here.variables.get("PATH"))
    return f"sudo {program or 'ringscope'} capture"


def tool_path(paths: Paths, tool: str, path: str | None) -> str | None:
    """Where a program lies: on PATH or where ROCm puts it; None when it is not there."""
    return shutil.which(tool, path=path) or shutil.which(tool, path=str(paths.at("/opt/rocm/bin")))


def knobs(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that matter, by name."""
    return {name: value for name, value in sorted(environment.items()) if name.startswith(KNOBS)}


def run(here: Here) -> tuple[Check, ...]:
    """Every check, in the order in which a missing one makes the next fail."""
    return tuple(check(here) for check in CHECKS)


def _folder(path: Path) -> bool:
    """Whether it is a folder as far as this user may see: Path.is_dir raises in a closed one."""
    return os.path.isdir(path)  # noqa: PTH112


def _ok(name: str, found: str) -> Check:
    return Check(name, Status.OK, found)


def _module(here: Here) -> Check:
    name, module = "driver.module", here.paths.module
    if not _folder(module):
        return Check(name, Status.MISSING, "amdgpu is not loaded", "sudo modprobe amdgpu, on a machine with an AMD GPU")
    version = line(module / "version")
    return _ok(
        name, f"amdgpu {version or 'of the kernel itself'}, kernel {line(here.paths.proc / 'sys/kernel/osrelease')}"
    )


def _device(here: Here) -> Check:
    name, device = "driver.device", here.paths.device
    if not os.path.exists(device):  # noqa: PTH110  False where Path.exists raises: in a closed folder
        loaded = _folder(here.paths.module)
        remedy = (
            "docker run --device /dev/kfd --device /dev/dri, when this is a container"
            if loaded
            else "see driver.module"
        )
        return Check(name, Status.MISSING, f"{device} is absent", remedy)
    if not os.access(device, os.R_OK | os.W_OK):
        return Check(
            name, Status.MISSING, f"{device} is not yours to open: programs get no queue",
            "sudo usermod -aG render,video $USER, then log in again",
        )  # fmt: skip
    return _ok(name, f"{device} opens")


def _topology(here: Here) -> Check:
    name, nodes = "driver.topology", here.paths.kfd / "topology/nodes"
    try:
        gpus = sum(line(node / "gpu_id") not in ("", "0") for node in nodes.iterdir())
    except OSError as error:
        return Check(name, Status.MISSING, f"{nodes}: {why(error)}", "see driver.module")
    if not gpus:
        return Check(
            name,
            Status.MISSING,
            "no node is a GPU that you may use",
            "see driver.device; a container shows its own only",
        )
    return _ok(name, f"{gpus} GPU node{'s' if gpus != 1 else ''}")


def _processes(here: Here) -> Check:
    name, folder = "driver.processes", here.paths.kfd / "proc"
    try:
        pids = sum(entry.name.isdecimal() for entry in folder.iterdir())
    except OSError as error:
        return Check(name, Status.MISSING, f"{folder}: {why(error)}", "needs Linux 5.8 or newer; see driver.module")
    return _ok(name, f"{pids} process{'es' if pids != 1 else ''} with the driver open: queue ids, sizes, evictions")


def _parameters(here: Here) -> Check:
    name, folder = "driver.parameters", here.paths.module / "parameters"
    try:
        count = len(list(folder.iterdir()))
    except OSError as error:
        return Check(name, Status.MISSING, f"{folder}: {why(error)}", "see driver.module")
    return _ok(
        name,
        f"{count} parameter{'s' if count != 1 else ''}"
        + (f", num_kcq {kcq}" if (kcq := line(folder / "num_kcq")) else ""),
    )


def _debugfs(here: Here) -> Check:
    name = "debugfs.mounted"
    lockdown = line(here.paths.at("/sys/kernel/security/lockdown"))
    if "[confidentiality]" in lockdown:
        return Check(name, Status.MISSING, "kernel lockdown hides debugfs", "boot without lockdown=confidentiality")
    try:
        mounts = read(here.paths.proc / "mounts").decode("utf-8", "replace").splitlines()
    except OSError as error:
        return Check(name, Status.NOTE, f"/proc/mounts: {why(error)}")
    if any(mount.split()[1:3] == ["/sys/kernel/debug", "debugfs"] for mount in mounts):
        return _ok(name, "/sys/kernel/debug")
    if _folder(here.paths.at("/sys/kernel/debug")):
        return _ok(name, "/sys/kernel/debug, though not listed as mounted")
    return Check(
        name, Status.MISSING, "debugfs is not mounted here",
        "sudo mount -t debugfs none /sys/kernel/debug; in a container: -v /sys/kernel/debug:/sys/kernel/debug",
    )  # fmt: skip


def _dump(file: str, tells: str) -> Callable[[Here], Check]:
    def check(here: Here) -> Check:
        name, path = f"debugfs.{file}", here.paths.debugfs / file
        try:
            os.close(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
        except PermissionError as error:
            return Check(name, Status.MISSING, f"{why(error)}; lost: {tells}", sudo(here))
        except OSError as error:
            remedy = "see debugfs.mounted and driver.module" if here.is_root else f"{sudo(here)}; only root sees it"
            return Check(name, Status.MISSING, f"{why(error)}; lost: {tells}", remedy)
        return _ok(name, tells)

    return check


def _kernel_log(here: Here) -> Check:
    name, kmsg = "kernel.log", here.paths.at("/dev/kmsg")
    try:
        os.close(os.open(kmsg, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK))
    except OSError as error:
        restricted = line(here.paths.proc / "sys/kernel/dmesg_restrict") == "1"
        about = "kernel.dmesg_restrict is 1" if restricted else f"{kmsg}: {why(error)}"
        return Check(name, Status.MISSING, f"{about}; lost: hangs, resets, over-subscription", sudo(here))
    if shutil.which("dmesg", path=here.variables.get("PATH")) is None:
        return Check(name, Status.MISSING, "there is no dmesg", "install util-linux")
    return _ok(name, "hangs, resets, over-subscription")


def _dynamic_debug(here: Here) -> Check:
    name, control = "kernel.dynamic-debug", here.paths.at("/sys/kernel/debug/dynamic_debug/control")
    try:
        lines = read(control).splitlines()
    except OSError as error:
        return Check(name, Status.NOTE, f"{why(error)}; whether the driver logs each queue is not known")
    ours = [entry for entry in lines if b"/amdkfd/" in entry]
    on = sum(b" =_ " not in entry for entry in ours)
    if on:
        return _ok(name, f"{on} of {len(ours)} amdkfd messages are logged")
    return Check(
        name, Status.NOTE, "off: the kernel log names no queue, only hangs and limits",
        "to change it: echo 'file */amdkfd/* +p' | sudo tee /sys/kernel/debug/dynamic_debug/control",
    )  # fmt: skip


def _user(here: Here) -> Check:
    name = "environ.run-as-user"
    if here.is_root:
        return _ok(name, "root")
    return Check(name, Status.NOTE, "not root: no MQD, no slot, no runlist", sudo(here))


def _namespace(here: Here) -> Check:
    name = "environ.pid-namespace"
    match here.paths.in_container:
        case None:
            return Check(name, Status.NOTE, "unknown: /proc/self/ns/pid cannot be read")
        case True:
            return Check(
                name, Status.NOTE, "in a container: the driver's pids are the host's, logs and ps have others",
                "run the capture on the host: it sees both (NSpid)",
            )  # fmt: skip
        case _:
            return _ok(name, "the host's: pids of containers are told by NSpid")


def _knobs(here: Here) -> Check:
    found = knobs(here.variables)
    shown = ", ".join(f"{name}={value}" for name, value in list(found.items())[:6])
    more = f" and {len(found) - 6} more" if len(found) > 6 else ""
    return _ok("environ.knobs", f"{shown}{more}" if found else "no variable that changes queues is set")


def _tool(tool: str, tells: str) -> Callable[[Here], Check]:
    def check(here: Here) -> Check:
        found = tool_path(here.paths, tool, here.variables.get("PATH"))
        if found:
            return _ok(f"tools.{tool}", found)
        return Check(f"tools.{tool}", Status.NOTE, f"not found; {tells}", "add /opt/rocm/bin to PATH, or install ROCm")

    return check


def _python(here: Here) -> Check:
    name, version = "python.version", platform.python_version()
    extras = [
        name
        for name, module in (("sim", "numba"), ("frames", "polars"), ("top", "textual"), ("zstd", "zstandard"))
        if importlib.util.find_spec(module)
    ]
    return _ok(name, f"{version}; extras: {', '.join(extras) or 'none, which capturing does not need'}")


def _output(here: Here) -> Check:
    name, folder = "output.filesystem", here.folder.absolute()
    if not os.access(folder, os.W_OK):
        return Check(name, Status.MISSING, f"{folder} is not writable", "capture -o /tmp/bundle.tar.gz")
    free = shutil.disk_usage(folder).free
    if free < BUNDLE_BYTES:
        return Check(
            name, Status.MISSING, f"{free >> 20} MiB free in {folder}", f"free {BUNDLE_BYTES >> 20} MiB, or use -o"
        )
    return _ok(name, f"{folder}, {free >> 30} GiB free")


CHECKS: tuple[Callable[[Here], Check], ...] = (
    _module,
    _device,
    _topology,
    _processes,
    _parameters,
    _debugfs,
    _dump("mqds", "every queue: ring, doorbell, priority, CU mask"),
    _dump("hqds", "hardware slots, live pointers, the HIQ"),
    _dump("rls", "the runlist as the firmware has it"),
    _kernel_log,
    _dynamic_debug,
    _user,
    _namespace,
    _knobs,
    _tool("rocprofv3", "no trace of when each kernel ran"),
    _tool("amd-smi", "no clocks, power, firmware in the bundle"),
    _python,
    _output,
)
