from dataclasses import replace

from asking import NO, UNDECIDED, YES, ask
from machines import machine


def test_equal_priorities_cannot_matter() -> None:
    assert ask("priority-matters", machine({500: [7] * 5})).verdict is NO


def test_who_meets_whom_on_a_pipe_is_named_and_the_effect_left_open() -> None:
    found = ask("priority-matters", machine({500: [7, 7, 7, 7, 11]}))
    assert (found.verdict, found.summary) == (YES, "different priorities meet on 1 pipe")
    assert "HIP #4 of 500 (11, HIGH)" in found.because[0].text
    assert found.confidence and found.confidence.word == "weak"
    assert found.missing and not found.finding


def test_priorities_on_different_pipes() -> None:
    assert ask("priority-matters", machine({500: [7, 11]})).summary == "they differ between pipes only"
    assert ask("priority-matters", machine({500: [7, 11]}, sources=("mqds",))).verdict is UNDECIDED


def test_without_queues_the_device_is_the_evidence() -> None:
    snapshot = machine({})
    two = replace(snapshot, devices=(*snapshot.devices, replace(snapshot.devices[0], gpu_id=1)))
    (reason,) = ask("priority-matters", two).because
    assert reason.at == (snapshot.devices[0].source,)
