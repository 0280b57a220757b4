"""One run of ``ringscope exec``: a device, a program, and what is left of it afterwards."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

from ringscope import log
from ringscope.errors import InputError
from ringscope.records import dataclass
from ringscope.stack.machine import MachineSpec
from ringscope.virtual import supervisor, topology
from ringscope.virtual.files import Tree
from ringscope.virtual.gpu import Gpu
from ringscope.virtual.injection import Faults
from ringscope.virtual.kernels import WORKGROUP_NS, Kernels, Policy
from ringscope.virtual.model import model_of
from ringscope.virtual.seccomp import Listener

if TYPE_CHECKING:
    from pathlib import Path

    from ringscope.virtual.timed import Timed


@dataclass(frozen=True)
class Options:
    """What was asked for: a catalogue device, what to do with kernels, where to record, what to break."""

    gpu: str = "mi210"
    kernels: Policy = Policy.REFUSE
    workgroup_ns: int = WORKGROUP_NS
    record: Path | None = None
    faults: tuple[str, ...] = ()


def run(options: Options, command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run a program on a virtual GPU to its end; returns its exit code, 128 + n for signal n.

    Raises:
        InputError: an option, the program or the host does not allow it.
    """
    if not command:
        raise InputError("no program given", todo="write it behind --, as in ringscope exec -- rocminfo")
    supervisor.program_of(command, environment)  # before a folder is made for its recording
    model = model_of(options.gpu)
    machine = MachineSpec.of(model.part.key)
    faults = Faults(options.faults)
    kernels = Kernels(_timed(machine, options) if options.kernels is Policy.TIME else None, model.part.gfx)
    recorder = None
    if options.record:
        from ringscope.virtual.record import Recorder  # noqa: PLC0415 - most runs leave nothing behind

        recorder = Recorder(
            options.record, {"gpu": model.part.key, "kernels": options.kernels.value, "command": " ".join(command)}
        )
    # The program goes before what it is served with does: a call that nobody answers any more would fail.
    with ExitStack() as served, ExitStack() as launched:
        pid, program = supervisor.launch(command, environment)
        launched.callback(_reap, pid)
        tree = Tree(topology.files(model, machine.nodes[0]), topology.LINKS, topology.ROOTS)
        served.callback(tree.close)
        fd = supervisor.listener_of(program)
        served.callback(os.close, fd)
        supervisor.check_access(pid)
        listener = Listener(fd)
        gpu = Gpu(model, machine, listener, kernels, faults, recorder)
        served.callback(gpu.close)
        for path, text in gpu.debugfs().items():
            tree.live(f"{topology.DEBUGFS}/{path}", text)
        tree.live_folder(topology.PROC, gpu.kfd_proc)
        if recorder:
            recorder.snapshot(gpu.snapshot("before"))
        with _signals(pid):
            code = supervisor.Supervisor(pid, listener, gpu, tree).run()
        gpu.end()
        for line in gpu.summary(code):
            log.info(line)
        if recorder:
            recorder.snapshot(gpu.snapshot("after"))
            recorder.close({"exit_code": code, "bytes_left": sum(gpu.store.used.values())})
        return code


def _timed(machine: MachineSpec, options: Options) -> Timed:
    """The engine that gives kernels their time; compiled before the program starts, as it would wait for it."""
    from ringscope.engine import native  # noqa: PLC0415 - NumPy; few runs need it
    from ringscope.stack.kfd import Kfd  # noqa: PLC0415
    from ringscope.virtual.timed import Timed  # noqa: PLC0415

    node = machine.nodes[0]
    native.engine(lambda: log.info("compiling the engine, once (about half a minute) …"))
    return Timed(node, Kfd(machine).node(node.gpu_id).mec.fill_order, options.workgroup_ns)


def _reap(pid: int) -> None:
    """Leave nobody behind: a program that outlives its supervisor would find half of its calls gone."""
    with suppress(ProcessLookupError, ChildProcessError):
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


@contextmanager
def _signals(pid: int) -> Iterator[None]:
    """While the program runs, an interrupt from the terminal is its own business, and a TERM is handed on to it."""

    def hand_on(number: int, _: object) -> None:
        with suppress(ProcessLookupError):
            os.kill(pid, number)

    before = {signal.SIGINT: signal.signal(signal.SIGINT, lambda *_: None)}
    for number in (signal.SIGTERM, signal.SIGHUP):
        before[number] = signal.signal(number, hand_on)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
