from dataclasses import replace

from asking import NO, UNDECIDED, YES, ask, kernels, recorded
from machines import machine

DEVICE = machine({})
KNOWN = replace(DEVICE, devices=(replace(DEVICE.devices[0], properties={"simd_count": 320, "simd_per_cu": 4}),))


def test_enough_workgroups_nearly_all_the_time() -> None:
    full = ask("saturated", KNOWN, recordings=[recorded(*kernels(500, 0, 100, 50, busy=0.99))])
    assert (full.verdict, full.confidence and full.confidence.word) == (YES, "weak")


def test_kernels_too_small_or_too_seldom() -> None:
    small = ask("saturated", KNOWN, recordings=[recorded(*kernels(500, 0, 100, 50, workgroups=4))])
    assert small.verdict is NO
    seldom = ask("saturated", KNOWN, recordings=[recorded(*kernels(500, 0, 100, 50, busy=0.1))])
    assert seldom.verdict is NO
    between = ask("saturated", KNOWN, recordings=[recorded(*kernels(500, 0, 100, 50, busy=0.7))])
    assert between.verdict is UNDECIDED


def test_a_handful_of_kernels_is_no_share_of_time() -> None:
    assert ask("saturated", KNOWN, recordings=[recorded(*kernels(500, 0, 100, 9))]).verdict is UNDECIDED


def test_small_kernels_add_up_when_they_overlap() -> None:
    run = [event for pid in range(500, 540) for event in kernels(pid, 0, 100, 50, workgroups=4)]
    assert ask("saturated", KNOWN, recordings=[recorded(*run)]).verdict is YES


def test_the_number_of_cus_must_be_known() -> None:
    assert ask("saturated", DEVICE, recordings=[recorded(*kernels(500, 0, 100, 50))]).verdict is UNDECIDED
    assert ask("saturated", KNOWN).quiet
