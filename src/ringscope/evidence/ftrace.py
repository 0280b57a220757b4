"""ftrace text (``/sys/kernel/tracing/trace``): functions and tracepoints of the driver, and what was lost.

A function that is called once a deed stands for the deed: ``pm_send_runlist`` for a runlist sent. All others are
counted. Thread ids are not process ids, so an event names its process only where ftrace recorded it
(``options/record-tgid``) or the tracepoint says it.
"""

from __future__ import annotations

import re

from ringscope.evidence.drift import Held
from ringscope.recording import Kind

HELD = Held(
    "the text of Linux 4.15 and later; tracepoints and functions of amdkfd of January 2026",
    "kernel documentation and the driver's source: no trace of a machine was at hand",
)

# function tracer: ``func [module] <-caller``; function_graph: ``|  func [module]() {`` or ``();``.
FUNCTION = re.compile(rb": (\w{1,64})(?: \[\w{1,32}\])? <-")
GRAPH_FUNCTION = re.compile(rb"\|  +(\w{1,64})(?: \[\w{1,32}\])?\(\)")
TRACEPOINT = re.compile(rb": ((?:kfd|amdgpu|drm|gpu)_\w{1,64}): ")
LOST = re.compile(rb"CPU:\d{1,5} \[LOST (\d{1,18}) EVENTS\]")
ENTRIES = re.compile(rb"# entries-in-buffer/entries-written: (\d{1,18})/(\d{1,18})")

# amdkfd/kfd_device_queue_manager.c and kfd_packet_manager.c, Linux 4.15 and later.
FUNCTION_KINDS = {
    b"pm_send_runlist": Kind.RUNLIST,
    b"create_queue_cpsch": Kind.QUEUE_CREATE,
    b"create_queue_nocpsch": Kind.QUEUE_CREATE,
    b"destroy_queue_cpsch": Kind.QUEUE_DESTROY,
    b"destroy_queue_nocpsch": Kind.QUEUE_DESTROY,
    b"add_queue_mes": Kind.QUEUE_MAP,
    b"evict_process_queues_cpsch": Kind.QUEUE_EVICT,
    b"evict_process_queues_nocpsch": Kind.QUEUE_EVICT,
    b"restore_process_queues_cpsch": Kind.QUEUE_RESTORE,
    b"restore_process_queues_nocpsch": Kind.QUEUE_RESTORE,
}

# amdkfd/kfd_trace.h; all of them print ``Process pid = %u`` with and without blanks.
TRACEPOINT_KINDS = {
    b"kfd_evict_process_worker_start": Kind.QUEUE_EVICT,
    b"kfd_restore_process_worker_start": Kind.QUEUE_RESTORE,
}
PROCESS = re.compile(rb"Process pid ?= ?(\d{1,9})")
