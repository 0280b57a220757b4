"""One HIP process: the layers from HIP to the thunk, wired to a driver, and the journal of what they did."""

from __future__ import annotations

from collections.abc import Sequence

from ringscope.stack.hip import HipDevice, HipSettings
from ringscope.stack.journal import Journal
from ringscope.stack.machine import NodeSpec
from ringscope.stack.rocm import TEARDOWN, RocmVersion, Teardown
from ringscope.stack.rocr import Rocr
from ringscope.stack.thunk import AddressSpace, Driver, Thunk


class Program:
    """A process that uses HIP on one machine.

    Args:
        driver: the kernel driver of that machine; it knows the process as ``pid``.
        nodes: the GPUs the process sees, in HIP's order.
        pid: the process.
        rocm: the release it was built with.
        settings: its environment.
        addresses: where its buffers lie; left out, made up, the same ones every time.
        hard_coded_normal: see :class:`~ringscope.stack.rocr.Rocr`.
    """

    def __init__(
        self,
        driver: Driver,
        nodes: Sequence[NodeSpec],
        pid: int,
        rocm: RocmVersion,
        settings: HipSettings | None = None,
        *,
        addresses: AddressSpace | None = None,
        hard_coded_normal: bool = False,
    ) -> None:
        self.pid = pid
        self.rocm = rocm
        self.journal = Journal(pid)
        self.thunk = Thunk(driver, pid, addresses, self.journal.of("thunk"))
        self.rocr = Rocr(self.thunk, rocm, hard_coded_normal=hard_coded_normal, observe=self.journal.of("rocr"))
        self.devices = tuple(HipDevice(self.rocr, node, settings, self.journal.of("hip")) for node in nodes)

    def exit(self) -> None:
        """End in order: the runtimes clean up where their release does, then the driver takes back the rest."""
        if self.rocm.value(TEARDOWN) is Teardown.DESTROY:
            for device in self.devices:
                device.tear_down()
            self.rocr.shut_down()
        self.thunk.close()

    def die(self) -> None:
        """End at once, as by a signal: only the driver cleans up."""
        self.thunk.close()
