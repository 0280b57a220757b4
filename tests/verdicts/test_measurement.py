from asking import NO, UNDECIDED, YES, ask, log, recorded
from machines import machine


def test_a_snapshot_before_the_first_packet() -> None:
    found = ask("measurement", machine({500: [7, 7]}))
    assert (found.verdict, found.summary, found.finding) == (YES, "taken before any HIP packet ran", False)
    ran = {1: {"cp_hqd_pq_rptr": 16, "cp_hqd_pq_wptr_lo": 16}}
    assert (
        ask("measurement", machine({500: [7, 7]}, live=ran)).summary
        == "none of the known traps; one snapshot is no rate"
    )


def test_saved_pointers_only() -> None:
    ran = {1: {"cp_hqd_pq_wptr_lo": 16}}
    found = ask("measurement", machine({500: [7, 7]}, saved=ran, sources=("mqds",)))
    assert found.summary == "pointers are those of the last unmap"


def test_a_log_with_every_packet_slows_the_launches() -> None:
    counters = {"stamped_lines": 100, "dispatches": 10}
    found = ask("measurement", recordings=[recorded(counters=counters, launch_median_ns=17000)])
    assert (found.verdict, found.summary) == (YES, "the log slowed the launches")
    assert "17 µs" in found.because[0].text
    assert ask("measurement", recordings=[log([(1, 0x1000, 1)])]).verdict is NO


def test_nothing_measured() -> None:
    assert ask("measurement").verdict is UNDECIDED
