"""Every verdict beside what an independent review of the notes expects of it."""

from pathlib import Path

import pytest

from ringscope.claims.lab import Lab
from ringscope.claims.ledger import CLAIMS
from ringscope.claims.reason import Method, Verdict

EXPECTED = {
    "confirmed": "A01 A16 A17 A18 A20 A29 A38 A48 A52 B01 B02 B04 B06 B07 B09 B19",
    "refuted": "A02 A03 A04 A06 A13 A15 A19 A21 A22 A23 A25 A26 A27 A28 A30 A37 A39 A40 A41 A42 A44 A45 A47 A53 A55 "
    "B03 B05 B08 B10 B11 B12 B13 B14 B16 B17 B22 B23 B24 B26 B27",
    "partly": "A05 A11 A14 A31 A36 A49 A50 A51 B15 B18 B25 B28 B29",
    "inconsistent": "A09 A10 A24 A32 A35 A43 A54",
    "undecided": "A07 A08 A12 A33 A34 A46 B20 B21",
}
VERDICTS = {name: Verdict(word) for word, names in EXPECTED.items() for name in names.split()}

STACK_ALONE = VERDICTS | {"A44": Verdict.UNDECIDED}

DIFFERS_FROM_THE_REVIEW = {
    # The review gives two verdicts where the ledger joins them to one.
    "A11": "conclusion confirmed, argument inconsistent: a reason for and one against",
    "A14": "software field confirmed, hardware refuted: a reason for and one against",
    "A36": "confirmed up to 24 queues, and the notes' own run of six processes has 30",
    "A49": "refuted for MI300A and MI250X; RX 7900, the third part named, does have MES",
    # The review had no experiment; here is one.
    "A44": "unverified there; played in time, static slots gain nothing (without the engine it is undecided)",
    "A45": "unverified there; played on the stack, none of the five changes what a kernel costs",
    "B23": "unverified, looks invented; no policy of ids and no priority gives the printed lines",
    # The review has a sixth word.
    "B24": "unnecessary there: nothing to fix, so the statement that the fix is needed is refuted",
}


def test_all_84_claims_are_there() -> None:
    assert list(CLAIMS) == [f"A{n:02}" for n in range(1, 56)] + [f"B{n:02}" for n in range(1, 30)]
    assert VERDICTS.keys() == CLAIMS.keys()
    assert DIFFERS_FROM_THE_REVIEW.keys() < CLAIMS.keys()


@pytest.fixture(scope="session")
def full(shared: Path) -> Lab:
    pytest.importorskip("numba")
    return Lab(shared / "mi308x", time=True)


@pytest.fixture(scope="session")
def stack() -> Lab:
    return Lab()


@pytest.mark.parametrize("name", CLAIMS)
def test_verdict_with_captures_and_time(name: str, full: Lab) -> None:
    finding = CLAIMS[name].examine(full)
    assert finding.verdict is VERDICTS[name], [reason.text for reason in finding.reasons]
    if finding.verdict is not Verdict.UNDECIDED:
        assert set(finding.methods) == set(finding.claim.by)


@pytest.mark.parametrize("name", CLAIMS)
def test_verdict_by_the_stack_alone(name: str, stack: Lab) -> None:
    finding = CLAIMS[name].examine(stack)
    assert finding.verdict is STACK_ALONE[name], [reason.text for reason in finding.reasons]
    assert not {Method.CAPTURE, Method.SIMULATION} & set(finding.methods)


def test_most_claims_are_decided() -> None:
    decided = [name for name, verdict in STACK_ALONE.items() if verdict is not Verdict.UNDECIDED]
    assert len(decided) >= 60


@pytest.mark.parametrize("name", CLAIMS)
def test_a_claim_that_nothing_decides_names_the_run_that_would(name: str, stack: Lab) -> None:
    claim = CLAIMS[name]
    assert bool(claim.decided_by) == (CLAIMS[name].examine(stack).verdict is Verdict.UNDECIDED)
    assert claim.overturned_by
    assert claim.how
    assert claim.text.endswith(".")


@pytest.mark.parametrize("name", CLAIMS)
def test_a_second_lab_finds_the_same(name: str, stack: Lab) -> None:
    assert CLAIMS[name].examine(Lab()).reasons == CLAIMS[name].examine(stack).reasons
