"""Claims about single registers of the MQD."""

from __future__ import annotations

from collections.abc import Iterator

from ringscope.claims.claim import claim
from ringscope.claims.figures import NOTE_2
from ringscope.claims.lab import Lab
from ringscope.claims.reason import Method, Reason

STACK, CAPTURE = Method.STACK, Method.CAPTURE


@claim(
    "B10",
    NOTE_2,
    36,
    "cp_hqd_quantum reads 0x00010101.",
    STACK,
    CAPTURE,
    overturned_by="an MQD of a user queue whose dword 135 reads 0x00010101",
)
def quantum(lab: Lab) -> Iterator[Reason]:
    """The register in every MQD copy and slot."""
    for view in lab.views():
        found = view.registers("cp_hqd_quantum")
        yield view.judge(
            set(found) == {0x10101},
            f"{len(found)} MQD copies and slots read {', '.join(f'{value:#x}' for value in sorted(set(found)))}",
        )


@claim(
    "B11",
    NOTE_2,
    37,
    "cp_hqd_vmid is 1.",
    STACK,
    CAPTURE,
    overturned_by="a slot of an MI308X whose VMID is 1",
)
def vmid(lab: Lab) -> Iterator[Reason]:
    """VMIDs of the slots; 1 is not KFD's on this part."""
    for view in lab.views():
        raw = sorted({slot.hqd.image.get("cp_hqd_vmid") for queue in view.queues for slot in queue.slots})
        vmids = sorted({queue.vmid or 0 for queue in view.queues})
        yield view.judge(
            vmids == [1], f"VMID {', '.join(map(str, vmids))} in {', '.join(f'{value:#x}' for value in raw)}"
        )
    first = lab.machine().nodes[0].vmids[0]
    yield STACK.note(f"KFD's first VMID on this part is {first}")
