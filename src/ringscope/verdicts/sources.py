"""What to capture when something is missing: one wording for all verdicts."""

from __future__ import annotations

from ringscope.verdicts.answer import Missing

MQDS = Missing("the MQDs of the queues", "sudo cat /sys/kernel/debug/kfd/mqds > mqds   (while the program runs)")
HQDS = Missing("the hardware slots", "sudo cat /sys/kernel/debug/kfd/hqds > hqds   (while the program runs)")
RLS = Missing("the runlist itself", "sudo cat /sys/kernel/debug/kfd/rls > rls   (while the program runs)")
KERNEL_LOG = Missing("the kernel's own warning", "sudo dmesg | grep -i oversubscribed > kernel.log")
SECOND_SNAPSHOT = Missing(
    "a second snapshot to measure from", "read hqds twice, before and after what you ask about, into two folders"
)
RUNTIME_LOG = Missing("the runtime's log", "AMD_LOG_LEVEL=3 ./app 2> app.log   and give app.log too")
