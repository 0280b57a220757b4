from collections.abc import Iterator

from ringscope.claims.claim import Finding, claim
from ringscope.claims.lab import Lab
from ringscope.claims.reason import Method, Reason, Verdict
from ringscope.recording import Source

STACK = Method.STACK
FOR, AGAINST, BESIDE = STACK.judge(True, "for"), STACK.judge(False, "against"), STACK.note("beside")
CLASH = STACK.agree(False, "clash")


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
