"""How fast the modelled driver takes in queues and shows them: 4096 on one MI308X, the most that a node holds.

Seconds of the processor, for one thread does it all.
"""

from __future__ import annotations

import time
from itertools import pairwise

from bench import Row
from ringscope.parts.queue_types import IoctlQueueType
from ringscope.stack.kfd import Kfd
from ringscope.stack.kfd.records import CreateQueue
from ringscope.stack.machine import MachineSpec
from ringscope.stack.text import capture

QUEUES = 4096
PER_PROCESS = 241
GOAL = "under 2 s in all"


def run() -> list[Row]:
    machine = MachineSpec.of("mi308x")
    (node,) = machine.nodes
    area = node.save_area
    marks = [time.process_time()]
    kfd = Kfd(machine)
    for i in range(QUEUES):
        kfd.create_queue(
            1 + i // PER_PROCESS,
            CreateQueue(
                node.gpu_id,
                IoctlQueueType.COMPUTE_AQL,
                0x7F00_0000_0000 + (i << 21),
                1 << 20,
                0x7E00_0000_0080 + (i << 12),
                0x7E00_0000_0038 + (i << 12),
                cwsr_base=0x7C00_0000_0000 + (i << 26),
                cwsr_bytes=area.cwsr_bytes,
                ctl_stack_bytes=area.ctl_stack_bytes,
            ),
        )
    marks.append(time.process_time())
    snapshot = kfd.snapshot()
    marks.append(time.process_time())
    text = capture(snapshot)
    marks.append(time.process_time())
    made, shown, written = (b - a for a, b in pairwise(marks))
    size = sum(map(len, text.values())) / 1e6
    return [
        Row(f"{QUEUES} queues created, a runlist each", f"{made:.2f} s, {made / QUEUES * 1e6:.0f} us a queue"),
        Row(f"{QUEUES * node.xccs} MQD images and all slots in a snapshot", f"{shown:.2f} s"),
        Row(f"written as debugfs text, {size:.0f} MB", f"{written:.2f} s"),
        Row("in all", f"{made + shown + written:.2f} s", goal=GOAL),
    ]
