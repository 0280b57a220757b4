import pytest
from asking import NO, UNDECIDED, YES, ask, recorded, told
from machines import machine

from ringscope.recording import Event, Kind

FOUR = {pid: [7] * 5 for pid in range(500, 504)}


def test_by_queues_from_25_on_and_since_which_process() -> None:
    assert ask("over-subscribed", machine({**FOUR, 600: [7] * 4})).verdict is NO
    over = ask("over-subscribed", machine({**FOUR, 600: [7] * 5}))
    assert (over.verdict, over.finding) == (YES, True)
    assert over.summary == "gpu f7bc: 25 of 24 queues, since process 600"


def test_by_processes_from_14_on() -> None:
    assert ask("over-subscribed", machine({pid: [7] for pid in range(13)})).verdict is NO
    assert ask("over-subscribed", machine({pid: [7] for pid in range(14)})).summary == (
        "gpu f7bc: 14 of 13 processes, since process 13"
    )


def test_earlier_snapshots_say_who_came_last() -> None:
    late = ask("over-subscribed", machine({600: [7] * 5}), machine({**FOUR, 600: [7] * 5}))
    assert "since process 503" in late.summary


@pytest.mark.parametrize(
    "event", [told(Kind.OVERSUBSCRIBED, line=7, limit="queues"), told(Kind.OVERSUBSCRIBED, line=7)]
)
def test_the_kernels_own_warning_decides(event: Event) -> None:
    warning = recorded(event)
    found = ask("over-subscribed", machine({500: [7] * 5}), recordings=[warning])
    assert (found.verdict, str(found.because[0].at[0])) == (YES, "app.log:7")
    assert ask("over-subscribed", recordings=[warning]).verdict is YES


def test_unknown_limits_are_open() -> None:
    assert ask("over-subscribed", machine({500: [7]}, sources=("mqds",))).verdict is UNDECIDED


def test_of_processes_first_seen_together_the_higher_pid_is_taken_for_the_later() -> None:
    over = ask("over-subscribed", machine({500: [7] * 20, 600: [7] * 4, 700: [7]}))
    assert over.summary == "gpu f7bc: 25 of 24 queues, since process 700"
