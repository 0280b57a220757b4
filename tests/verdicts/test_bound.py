from dataclasses import replace

import pytest
from asking import NO, UNDECIDED, YES, ask, kernels, recorded
from machines import machine

from ringscope.errors import InputError
from ringscope.verdicts.bound import Target, judge

DEVICE = machine({})
KNOWN = replace(DEVICE, devices=(replace(DEVICE.devices[0], properties={"simd_count": 320, "simd_per_cu": 4}),))


def test_95_percent_of_alone_for_each_of_two_on_a_saturated_device() -> None:
    assert judge(Target(2, 0.95 * 118.7, 118.7)).verdict is YES


def test_95_percent_in_total_breaks_no_law() -> None:
    assert judge(Target(2, 0.475 * 118.7, 118.7)).verdict is NO
    assert judge(Target(2, 0.52 * 118.7, 118.7)).verdict is UNDECIDED
    assert judge(Target(2, 0.95 * 118.7, 118.7, share=0.4)).verdict is NO


@pytest.mark.parametrize("bad", [(0, 1, 1, 1), (1, -1, 1, 1), (1, 1, 0, 1), (1, 1, 1, 0), (1, 1, 1, 1.1)])
def test_impossible_targets_are_refused(bad: tuple[int, float, float, float]) -> None:
    with pytest.raises(InputError):
        Target(*bad)


def test_traces_of_one_and_of_several() -> None:
    both = recorded(*kernels(500, 0, 100, 10), *kernels(501, 0, 100, 10))
    full = recorded(*kernels(400, 0, 100, 10))
    light = recorded(*kernels(400, 0, 100, 10, busy=0.4))
    assert ask("beyond-bound", KNOWN, recordings=[both, full]).verdict is YES
    assert ask("beyond-bound", KNOWN, recordings=[both, light]).verdict is NO
    small = recorded(*kernels(400, 0, 100, 10, workgroups=4))
    assert ask("beyond-bound", KNOWN, recordings=[both, small]).verdict is UNDECIDED
    assert ask("beyond-bound", KNOWN, recordings=[both]).quiet


def test_a_target_of_one_process_is_one() -> None:
    assert Target(1, 100.0, 118.7).bound == 118.7
    assert Target(1, 100.0, 118.7, share=0.5).bound == 2 * 118.7
