from hypothesis import given
from hypothesis import strategies as st

from ringscope.claims.reason import Bearing, Method, Reason, Verdict, settle

STACK = Method.STACK
FOR, AGAINST, BESIDE = STACK.judge(True, "for"), STACK.judge(False, "against"), STACK.note("beside")
CLASH = STACK.agree(False, "clash")


@given(st.lists(st.sampled_from([FOR, AGAINST, BESIDE, CLASH])))
def test_the_verdict_follows_from_the_bearings_alone(reasons: list[Reason]) -> None:
    verdict = settle(reasons)
    assert verdict is settle(reasons[::-1])
    assert (verdict is Verdict.INCONSISTENT) == (CLASH in reasons)
    assert (verdict is Verdict.UNDECIDED) == (not set(reasons) - {BESIDE})
    if CLASH not in reasons:
        assert (verdict is Verdict.PARTLY) == (FOR in reasons and AGAINST in reasons)
        assert (verdict is Verdict.CONFIRMED) == (FOR in reasons and AGAINST not in reasons)


def test_agreeing_figures_speak_for_a_claim() -> None:
    assert Method.ARITHMETIC.agree(True, "1 = 1").bearing is Bearing.FOR
