"""What to capture when something is missing: one wording for all verdicts."""

from __future__ import annotations

from ringscope.verdicts.answer import Missing

CAPTURE = "sudo ringscope capture --during -- ./app"

MQDS = Missing("the queues' MQDs, while the program runs", CAPTURE)
HQDS = Missing("the hardware slots, while the program runs", CAPTURE)
RLS = Missing("the runlist itself, while the program runs", CAPTURE)
KERNEL_LOG = Missing("the kernel's log", CAPTURE)
SECOND_SNAPSHOT = Missing(
    "movement: two readings, before and after what you ask about",
    CAPTURE,
)
RUNTIME_LOG = Missing("the runtime's log", CAPTURE)
DISPATCH_TRACE = Missing("when each kernel ran", "rocprofv3 --kernel-trace --output-format csv -- ./app")
TOPOLOGY = Missing("the device's shape", CAPTURE)
