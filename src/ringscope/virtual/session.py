"""One run of ``ringscope exec``: a device, a program, and what is left of it afterwards."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

from ringscope.errors import InputError
from ringscope.stack.kfd import Kfd
from ringscope.virtual import supervisor, topology
from ringscope.virtual.files import Tree
from ringscope.virtual.gpu import Gpu
from ringscope.virtual.injection import Faults
from ringscope.virtual.kernels import Kernels, Policy
from ringscope.virtual.model import MODELS
from ringscope.virtual.seccomp import Listener


class Session:
    """What was asked for."""

    def __init__(self, gpu: str, kernels: Policy, record: Path | None, faults: tuple[str, ...]) -> None:
        self.model = MODELS[gpu]
        self.kernels = kernels

    def run(self, command: Sequence[str], environment: Mapping[str, str]) -> int:
        """Run a program to its end; returns its exit code."""
        if not command:
            raise InputError("no program given", todo="ringscope exec -- PROGRAM ARGS")
        tree = Tree(topology.files(self.model, 0x7D2F, 0xC100), topology.LINKS, topology.ROOTS)
        try:
            pid, fd = supervisor.launch(command, environment)
            supervisor.check_access(pid)
            listener = Listener(fd)
            gpu = Gpu(
                self.model, Kfd(), 0x7D2F, listener, Kernels(self.kernels, self.model.simd_count // 4), Faults(), None,
                os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
            )
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            try:
                code = supervisor.Supervisor(pid, listener, gpu, tree).run()
                for line in gpu.summary():
                    supervisor.say(line)
            finally:
                gpu.close()
        finally:
            tree.close()
        return code
