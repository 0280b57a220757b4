"""What holds for every question."""

import re
from dataclasses import replace

import pytest
from asking import NO, UNDECIDED, ask
from machines import machine

from ringscope.join import case_of
from ringscope.verdicts import QUESTIONS, answers

HEALTHY = machine({500: [7, 7, 7, 7, 7]})
CROWDED = machine({pid: [7, 7, 7, 7, 7] for pid in range(500, 505)})


@pytest.mark.parametrize("question", QUESTIONS)
def test_nothing_known_is_undecided_and_says_how_to_decide(question: object) -> None:
    found = question(case_of(()))  # type: ignore[operator]
    assert found.verdict is UNDECIDED
    assert found.confidence is None
    assert found.missing and all(item.how for item in found.missing)


def test_every_decided_answer_says_why_how_surely_and_what_would_overturn_it() -> None:
    for snapshot in (HEALTHY, CROWDED):
        for found in answers(case_of((snapshot,))):
            assert found.overturned_by and found.rests_on, found.id
            if found.verdict is not UNDECIDED:
                assert found.because and all(item.at for item in found.because), found.id
                assert found.confidence and found.confidence.word in {"certain", "likely", "weak"}, found.id
                assert found.confidence.why, found.id


def test_a_finding_says_what_to_do_or_what_would_tell_more() -> None:
    findings = [found for found in answers(case_of((CROWDED,))) if found.finding]
    assert {found.id for found in findings} == {"shared-slot", "over-subscribed", "idle-mapped"}
    assert all(found.todo or found.missing for found in findings)


def test_ids_are_unique_and_questions_short() -> None:
    found = answers(case_of(()))
    assert len({answer.id for answer in found}) == len(found)
    for answer in found:
        assert re.fullmatch(r"[a-z-]+", answer.id)
        assert answer.question.endswith("?") and len(answer.question) <= 34, answer.question


def test_a_summary_does_not_repeat_the_answer() -> None:
    for snapshot in (HEALTHY, CROWDED, machine({})):
        for found in answers(case_of((snapshot,))):
            assert not re.match(r"(yes|no|undecided)\b[,:;]", found.summary), found.id


def test_slots_that_mqds_does_not_list_are_not_counted_as_free_room() -> None:
    whole = machine({500: [7], 501: [7]})
    cut = replace(whole, processes=whole.processes[:1])
    assert ask("measurement", cut).finding
    assert ask("over-subscribed", cut).verdict is UNDECIDED
    assert not ask("measurement", whole).finding
    assert ask("over-subscribed", whole).verdict is NO
