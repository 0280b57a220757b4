from dataclasses import replace

from asking import NO, YES, ask, log, ring
from machines import machine, slot


def test_levels_in_the_registers() -> None:
    assert ask("priority-arrived", machine({500: [7, 11, 0]})).summary == "0 → LOW, 7 → MEDIUM, 11 → HIGH"
    plain = ask("priority-arrived", machine({500: [7] * 5}))
    assert plain.verdict is YES
    assert plain.missing


def test_a_high_stream_on_a_normal_queue_has_lost_its_priority() -> None:
    high = log([(0xA, ring(500, 1), 2)])
    assert ask("priority-arrived", machine({500: [7, 11]}), recordings=[high]).verdict is YES
    lost = ask("priority-arrived", machine({500: [7, 7]}), recordings=[high])
    assert (lost.verdict, lost.finding) == (NO, True)


def test_registers_that_disagree_are_a_finding() -> None:
    snapshot = machine({500: [7]}, xccs=1)
    image = snapshot.processes[0].queues[0].mqds[0].image
    device = replace(snapshot.devices[0], hqds=(slot(0, 0, 2, image, 1, cp_hqd_pipe_priority=0),))
    assert ask("priority-arrived", replace(snapshot, devices=(device,))).verdict is NO
