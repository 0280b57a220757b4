"""One run of ``ringscope exec``: a device, a program, and what is left of it afterwards."""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

from ringscope.errors import InputError
from ringscope.stack.machine import MachineSpec
from ringscope.virtual import supervisor, topology
from ringscope.virtual.files import Tree
from ringscope.virtual.gpu import Gpu
from ringscope.virtual.injection import Faults
from ringscope.virtual.kernels import Kernels, Policy
from ringscope.virtual.model import model_of
from ringscope.virtual.seccomp import Listener


class Session:
    """What was asked for; checked when built (InputError)."""

    def __init__(self, gpu: str, kernels: Policy, record: Path | None, faults: tuple[str, ...]) -> None:
        self.model = model_of(gpu)
        self.machine = MachineSpec.of(self.model.part.key)
        self.kernels = kernels

    def run(self, command: Sequence[str], environment: Mapping[str, str]) -> int:
        """Run a program to its end; returns its exit code."""
        if not command:
            raise InputError("no program given", todo="ringscope exec -- PROGRAM ARGS")
        node = self.machine.nodes[0]
        tree = Tree(topology.files(self.model, node), topology.LINKS, topology.ROOTS)
        try:
            pid, fd = supervisor.launch(command, environment)
            supervisor.check_access(pid)
            listener = Listener(fd)
            kernels = Kernels(self.kernels, self.model.part.cus)
            gpu = Gpu(self.model, self.machine, listener, kernels, Faults(), None)
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            for path, text in gpu.debugfs().items():
                tree.live(f"{topology.DEBUGFS}/{path}", text)
            tree.live_folder(topology.PROC, gpu.kfd_proc)
            try:
                code = supervisor.Supervisor(pid, listener, gpu, tree).run()
                for line in gpu.summary():
                    supervisor.say(line)
            finally:
                gpu.close()
        finally:
            tree.close()
        return code
