"""What the notes' undescribed workload is taken to be.

A request is a chain of dependent kernels that each fill an MI308X once over, on one of four streams (the notes' traces
show four queues a process). The kernel's length is the one thing fitted: one process alone makes the notes' 118.7
requests a second. Everything said of more processes or fewer CUs is then a prediction.
"""

from __future__ import annotations

from ringscope.scenario.schema import Does, Kernel, KernelTime, ProcessKind, Step
from ringscope.scenario.studies.notes import ALONE

STEPS = 20
STREAMS = 4
DISPATCH_NS = 1_100
"""What a dependent dispatch costs beside its kernel: packet, barrier bit and the first workgroups' launch."""
WORKGROUPS = 320
WAVES, VGPRS = 4, 128
"""128 VGPRs leave room for 4 waves a SIMD: 4 workgroups fit a CU, 320 fill 80 CUs once."""


def kernel(workgroups: int = WORKGROUPS, *, bandwidth: float = 0.0, waves: int = WAVES, vgprs: int = VGPRS) -> Kernel:
    """One of the request's kernels, as long as makes one process alone run at the notes' rate."""
    alone_ns = round(1e9 / ALONE.qps / STEPS)
    return Kernel(
        "step",
        workgroups,
        KernelTime((alone_ns - DISPATCH_NS,)),
        waves=waves,
        vgprs=vgprs,
        bandwidth=bandwidth,
    )


def process(count: int, *, streams: int = STREAMS, submit_ns: int = 0, think_ns: int = 0, cus: int = 0) -> ProcessKind:
    """``count`` processes that each send requests in closed loops; ``cus`` limits them to the first so many CUs."""
    return ProcessKind(
        "service",
        (Step(Does.KERNEL, "step", STEPS),),
        count=count,
        streams=(0,) * streams,
        cu_mask=(1 << cus) - 1 if cus else 0,
        interval_ns=think_ns,
        submit_ns=submit_ns,
    )
