from asking import NO, UNDECIDED, YES, ask, recorded, told

from ringscope.recording import Clock, Kind


def test_a_burst_at_the_start_is_healthy_and_a_stream_of_them_is_not() -> None:
    burst = [told(Kind.RUNLIST, at=i) for i in range(5)]
    end = told(Kind.QUEUE_DESTROY, at=10_000)
    calm = ask("runlist-rate", recordings=[recorded(*burst, end)])
    assert (calm.verdict, calm.summary) == (NO, "0.5 per second over 10 s, in 1 of its 10 parts")
    often = [event for i in range(40) for event in (told(Kind.QUEUE_CREATE, at=50 * i), told(Kind.RUNLIST, at=50 * i))]
    busy = ask("runlist-rate", recordings=[recorded(*often)])
    assert (busy.verdict, busy.finding) == (YES, True)
    assert "40 queue-creates" in busy.because[0].text


def test_without_a_clock_or_a_second_of_it_there_is_no_rate() -> None:
    assert ask("runlist-rate", recordings=[recorded(told(Kind.RUNLIST, clock=Clock.UNKNOWN))]).quiet
    short = ask("runlist-rate", recordings=[recorded(told(Kind.RUNLIST), told(Kind.RUNLIST, at=900))])
    assert (short.verdict, short.quiet) == (UNDECIDED, False)


def test_the_three_commonest_causes_are_named() -> None:
    kinds = (Kind.QUEUE_CREATE, Kind.QUEUE_DESTROY, Kind.QUEUE_UPDATE, Kind.QUEUE_EVICT)
    events = [told(kind, at=50 * i) for kind, often in zip(kinds, (40, 30, 20, 10), strict=True) for i in range(often)]
    found = ask("runlist-rate", recordings=[recorded(*events, *(told(Kind.RUNLIST, at=50 * i) for i in range(40)))])
    assert found.because[0].text == "app.log: 40 runlists; 40 queue-creates, 30 queue-destroys, 20 queue-updates"
