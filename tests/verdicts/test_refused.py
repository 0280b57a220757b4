import errno

import pytest
from asking import NO, UNDECIDED, YES, ask, recorded, told
from machines import machine

from ringscope.parts.queue_types import IoctlQueueType
from ringscope.recording import Kind
from ringscope.stack.hip import HipSettings
from ringscope.stack.kfd.records import CreateQueue, KfdError
from ringscope.stack.machine import MachineSpec
from ringscope.stack.rehearse import ProcessSpec, rehearse
from ringscope.verdicts.refused import WHAT_RAN_OUT


@pytest.mark.parametrize("resource", WHAT_RAN_OUT)
def test_the_resource_is_named_with_what_to_do(resource: str) -> None:
    run = recorded(told(Kind.QUEUE_REFUSED, pid=500, resource=resource), told(Kind.QUEUE_REFUSED, errno=-errno.ENOMEM))
    found = ask("creation-failed", recordings=[run])
    assert (found.verdict, found.finding) == (YES, True)
    assert found.summary == f"1 time: {WHAT_RAN_OUT[resource][0]}"
    assert found.todo == WHAT_RAN_OUT[resource][1]


def test_an_errno_alone_leaves_a_choice() -> None:
    found = ask("creation-failed", recordings=[recorded(told(Kind.QUEUE_REFUSED, pid=500, errno=-errno.ENOMEM))])
    assert found.because[0].text == "process 500: ENOMEM: sdma, memory or queue-id"
    assert found.missing and found.finding


def test_what_is_held_tells_where_the_errno_does_not() -> None:
    bare = recorded(told(Kind.QUEUE_REFUSED, pid=500, errno=-errno.ENOMEM))
    run = rehearse(MachineSpec.of("mi300x", partition="cpx"), [ProcessSpec((0,))])
    kfd, node = run.kfd, run.kfd.machine.nodes[0]
    assert "cause is not named" in ask("creation-failed", run.snapshot(), recordings=[bare]).summary
    with pytest.raises(KfdError):
        while True:
            kfd.create_queue(9, CreateQueue(node.gpu_id, IoctlQueueType.SDMA, 0x10000, 4096, 0x20000, 0x20008))
    found = ask("creation-failed", run.snapshot(), recordings=[bare])
    assert "SDMA queues of the engines, to judge by what is held" in found.summary
    assert "16 of 16 SDMA queues are held" in found.because[-1].text
    greedy = ProcessSpec((0,) * 254, settings=HipSettings(gpu_max_hw_queues=254))
    full = rehearse(MachineSpec.of("mi308x"), [greedy]).snapshot()
    assert "holds 255 queues of 255" in ask("creation-failed", full, recordings=[bare]).because[-1].text


def test_a_recorded_ioctl_says_which_check_failed() -> None:
    done = told(Kind.IOCTL, pid=500, name="CREATE_QUEUE", errno=0)
    failed = told(Kind.IOCTL, pid=500, name="CREATE_QUEUE", errno=errno.EBUSY, why="no doorbell is left")
    found = ask("creation-failed", recordings=[recorded(done, failed)])
    assert (found.verdict, found.summary) == (YES, "1 time: no doorbell is left")
    assert ask("creation-failed", recordings=[recorded(done)]).quiet


def test_queues_made_without_a_refusal() -> None:
    fine = ask("creation-failed", recordings=[recorded(told(Kind.QUEUE_CREATE, qid=0))])
    assert (fine.verdict, fine.quiet) == (NO, True)
    unknown = ask("creation-failed", machine({500: [7]}))
    assert (unknown.verdict, unknown.quiet) == (UNDECIDED, True)


def test_only_a_creation_is_refused() -> None:
    others = [told(Kind.IOCTL, pid=500, name=name, errno=errno.EINVAL) for name in ("ALLOC_MEMORY", "UPDATE_QUEUE")]
    made = told(Kind.QUEUE_CREATE, pid=500)
    assert ask("creation-failed", recordings=[recorded(made, *others)]).verdict is NO
