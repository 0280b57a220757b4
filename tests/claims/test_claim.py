from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from ringscope.claims.claim import Bearing, Finding, Method, Reason, Verdict, claim, settle
from ringscope.claims.lab import Lab
from ringscope.recording import Source

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


def finding(*reasons: Reason) -> Finding:
    @claim("A99", "note.md", 7, "Two and two.", STACK, overturned_by="five")
    def check(lab: Lab) -> Iterator[Reason]:
        """Count."""
        return iter(reasons)

    return check.examine(Lab())


def test_figures_are_the_reasons_that_decide() -> None:
    assert finding(BESIDE, FOR, AGAINST).figures == "for; but against"
    assert finding(FOR, CLASH, AGAINST).figures == "clash"
    assert finding(BESIDE).figures == "beside"
    assert finding().figures == ""


def test_a_claim_says_what_it_does_and_a_finding_how() -> None:
    found = finding(FOR, Method.CAPTURE.judge(True, "seen", Source("hqds", 3)))
    assert found.claim.how == "Count."
    assert str(found.claim.said_at) == "note.md:7"
    assert found.methods == (STACK, Method.CAPTURE)
    assert found.verdict is Verdict.CONFIRMED
