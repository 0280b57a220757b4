from asking import NO, UNDECIDED, YES, ask
from machines import machine

from ringscope.stack.machine import MachineSpec
from ringscope.stack.rehearse import ProcessSpec, rehearse


def test_the_fifth_queue_shares_a_pipe_with_the_first() -> None:
    four = ask("shared-pipe", machine({500: [7] * 4}))
    assert four.verdict is NO
    assert [str(source) for source in four.because[0].at] == [f"hqds:{100 + k}" for k in range(4)]
    five = ask("shared-pipe", machine({500: [7] * 5}))
    assert (five.verdict, five.finding) == (YES, False)
    assert five.summary == "5 queues on 4 pipes; pipe 0: HIP #4, ROCr internal"


def test_queues_are_named_with_their_process_where_there_are_several() -> None:
    one = ask("shared-pipe", machine({500: [7] * 5})).because[0].text
    two = ask("shared-pipe", machine({500: [7] * 3, 501: [7] * 3})).because[0].text
    assert one == "gpu f7bc pipe 0: HIP #4, ROCr internal"
    assert two == "gpu f7bc pipe 0: ROCr internal of 500, HIP #1 of 501"


def test_pipes_that_processes_share_are_named() -> None:
    assert ask("shared-pipe", machine({500: [7] * 3, 501: [7] * 3})).summary == "2 pipes shared by several processes"


def test_slots_are_needed() -> None:
    assert ask("shared-pipe", machine({500: [7]}, sources=("mqds",))).verdict is UNDECIDED


def test_a_queue_is_shown_by_its_slot_on_the_first_xcc() -> None:
    snapshot = rehearse(MachineSpec.of("mi308x"), [ProcessSpec((0,))]).snapshot()
    first = {hqd.source for device in snapshot.devices for hqd in device.hqds if hqd.xcc == 0}
    found = ask("shared-pipe", snapshot)
    assert found.verdict is NO
    assert set(found.because[0].at) <= first
