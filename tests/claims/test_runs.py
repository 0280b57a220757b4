from ringscope.claims.lab import Lab
from ringscope.claims.runs import KERNELS, STREAMS, life
from ringscope.recording import Kind


def test_a_life_costs_the_hiq_what_real_machines_paid() -> None:
    lived = Lab().life
    assert lived.moved == (72, 0, 81)
    assert lived.kernels == STREAMS * KERNELS
    assert [len(state.queues) for state in lived.case.states] == [0, 5, 5, 0]


def test_kernels_move_the_rings() -> None:
    run = Lab().fresh((0,))
    assert run.launch(3) == 3
    hip = next(queue for queue in run.state().queues if queue.name == "HIP #1")
    assert hip.write_pointer == 3 * 16


def test_a_process_that_dies_takes_its_queues_along() -> None:
    run = Lab().fresh(())
    assert life(run, (0, 0), kernels=1).moved[2] > 0
    assert not run.kfd.processes


def test_processes_start_one_after_another() -> None:
    run = Lab().fresh((0,), (0, 0), pids=(7, 9))
    assert [queue.name for queue in run.of(9)] == ["ROCr internal", "HIP #1", "HIP #2"]
    assert [event.pid for event in run.ioctls(Kind.QUEUE_CREATE)] == [7, 7, 9, 9, 9]
    assert run.runlist
