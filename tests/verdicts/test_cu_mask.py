from dataclasses import replace

from asking import NO, UNDECIDED, YES, ask, recorded, ring, told
from hypothesis import given
from hypothesis import strategies as st
from machines import machine

from ringscope.parts.layout import Generation
from ringscope.recording import Kind, Recording
from ringscope.verdicts.cu_mask import asked_per_xcc


def masked(se0: int, se1: int) -> dict[int, dict[str, int]]:
    """Registers of the second queue on every XCC."""
    return {1: {f"compute_static_thread_mgmt_se{i}": value for i, value in enumerate((se0, se1, 0, 0))}}


def asked(mask: int) -> Recording:
    return recorded(told(Kind.CU_MASK, pid=500, ring_base=ring(500, 1), mask=f"0x{mask:x}"))


def test_each_xcc_gets_its_bits() -> None:
    found = ask("cu-mask", machine({500: [7, 7]}, saved=masked(0b11, 0b11)), recordings=[asked(0xFF)])
    assert (found.verdict, found.summary) == (YES, "1 masked queue")
    assert "8 CUs (XCC 0: 2+2+0+0, XCC 1: 2+2+0+0 by shader engine); asked for 4 + 4" in found.because[0].text


def test_a_mask_that_did_not_arrive() -> None:
    for saved in (None, masked(0b11, 0b1)):
        found = ask("cu-mask", machine({500: [7, 7]}, saved=saved), recordings=[asked(0xFF)])
        assert (found.verdict, found.finding) == (NO, True)


def test_an_uneven_mask_is_said_to_be_slower_than_its_cus() -> None:
    found = ask("cu-mask", machine({500: [7, 7]}, saved=masked(0b11, 0b1)), recordings=[asked(0x3F)])
    assert found.summary == "1 masked queue; uneven: the poorest shader engine decides"


def test_what_was_asked_must_be_known() -> None:
    assert ask("cu-mask", machine({500: [7, 7]}, saved=masked(1, 1))).verdict is UNDECIDED
    plain = ask("cu-mask", machine({500: [7, 7]}))
    assert (plain.verdict, plain.quiet) == (YES, True)
    garbled = recorded(told(Kind.CU_MASK, ring_base=ring(500, 1), mask="none"))
    assert ask("cu-mask", machine({500: [7, 7]}), recordings=[garbled]).verdict is YES


@given(st.integers(0, (1 << 320) - 1), st.sampled_from([1, 2, 4, 6, 8]))
def test_no_bit_is_lost_or_counted_twice(mask: int, xccs: int) -> None:
    assert sum(asked_per_xcc(mask, xccs, None, pairs=False)) == mask.bit_count()
    assert sum(asked_per_xcc(mask, xccs, 80, pairs=False)) == (mask & (1 << 80) - 1).bit_count()


@given(st.integers(0, (1 << 320) - 1))
def test_a_wgp_is_taken_whole_when_either_of_its_cus_is_asked_for(mask: int) -> None:
    either = (mask | mask >> 1) & int("01" * 160, 2)
    assert asked_per_xcc(mask, 1, None, pairs=True) == (2 * either.bit_count(),)


def test_a_wgp_is_masked_whole_from_gfx10_on() -> None:
    snapshot = machine({500: [7, 7]}, xccs=1, saved=masked(0b11, 0))
    late = replace(snapshot, devices=(replace(snapshot.devices[0], generation=Generation.V10),))
    assert ask("cu-mask", late, recordings=[asked(0b1)]).verdict is YES
    assert ask("cu-mask", snapshot, recordings=[asked(0b1)]).verdict is NO
