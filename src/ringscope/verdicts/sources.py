"""What to capture when something is missing: one wording for all verdicts."""

from __future__ import annotations

from ringscope.verdicts.answer import Missing

MQDS = Missing("the queues' MQDs, while the program runs", "sudo cat /sys/kernel/debug/kfd/mqds > mqds")
HQDS = Missing("the hardware slots, while the program runs", "sudo cat /sys/kernel/debug/kfd/hqds > hqds")
RLS = Missing("the runlist itself, while the program runs", "sudo cat /sys/kernel/debug/kfd/rls > rls")
KERNEL_LOG = Missing("the kernel's log", "sudo dmesg > kernel.log")
SECOND_SNAPSHOT = Missing(
    "movement: two readings, before and after what you ask about",
    "for i in 1 2; do mkdir $i; sudo cat /sys/kernel/debug/kfd/hqds > $i/hqds; sleep 5; done",
)
RUNTIME_LOG = Missing("the runtime's log", "AMD_LOG_LEVEL=3 ./app 2> app.log")
DISPATCH_TRACE = Missing("when each kernel ran", "rocprofv3 --kernel-trace --output-format csv -- ./app")
TOPOLOGY = Missing("the device's shape", "cp -r /sys/class/kfd/kfd/topology .")
