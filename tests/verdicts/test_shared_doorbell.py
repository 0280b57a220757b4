from asking import NO, YES, ask
from machines import machine


def test_one_index_in_two_queues() -> None:
    same = ask("shared-doorbell", machine({500: [7, 7]}, doorbell_step=0))
    assert (same.verdict, same.finding) == (YES, True)
    assert "0x1000" in same.because[0].text
    assert ask("shared-doorbell", machine({500: [7, 7]})).summary == "2 queues, 0x1000 to 0x1002"


def test_same_doorbell_id_in_two_processes_is_no_sharing() -> None:
    assert ask("shared-doorbell", machine({500: [7, 7], 501: [7, 7]})).verdict is NO
