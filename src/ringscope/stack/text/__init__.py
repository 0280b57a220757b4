"""What a machine says of its queues, in the kernel's own words: a Snapshot and Events out, files and log lines in.

:mod:`ringscope.evidence` reads the same files of a real machine; writing and reading each other's output is how both
are tested. :func:`capture` gives the files of one instant by the path at which the kernel shows them.
"""

from __future__ import annotations

from ringscope.snapshot import Snapshot
from ringscope.stack.text.amd_log import amd_log
from ringscope.stack.text.hqds import hqds
from ringscope.stack.text.kernel_log import kernel_log, kfd_trace
from ringscope.stack.text.kfd_proc import kfd_proc
from ringscope.stack.text.mqds import mqds
from ringscope.stack.text.rls import rls
from ringscope.stack.text.topology import topology

__all__ = ["amd_log", "capture", "hqds", "kernel_log", "kfd_proc", "kfd_trace", "mqds", "rls", "topology"]


def capture(snapshot: Snapshot) -> dict[str, str]:
    """Every file of ``snapshot`` by path: ``mqds``, ``hqds``, ``rls``, and those below ``proc/`` and ``topology/``."""
    return {
        "mqds": mqds(snapshot),
        "hqds": hqds(snapshot),
        "rls": rls(snapshot),
        **kfd_proc(snapshot),
        **topology(snapshot.devices),
    }
