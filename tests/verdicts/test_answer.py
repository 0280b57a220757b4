"""Answers carry their question's grounds; nouns have their plurals."""

import pytest

from ringscope.recording import Source
from ringscope.verdicts.answer import Answers, Because, Missing, Question, Verdict, certain, count, likely, weak

QUESTION = Question("some", "Is it so?", rests_on="a function", overturned_by="a look")


def test_every_answer_says_what_its_question_rests_on() -> None:
    why = (Because("seen", (Source("mqds", 3),)),)
    answers = (
        QUESTION.yes("it is", why, certain("counted"), finding=True, todo="mend it"),
        QUESTION.no("it is not", why, weak("leaning")),
        QUESTION.undecided("not captured", (Missing("the slots", "capture them"),)),
    )
    assert [answer.verdict for answer in answers] == list(Verdict)
    for answer in answers:
        assert (answer.id, answer.question) == ("some", "Is it so?")
        assert (answer.rests_on, answer.overturned_by) == ("a function", "a look")
    yes, no, undecided = answers
    assert (yes.finding, yes.todo, yes.because) == (True, "mend it", why)
    assert (no.finding, no.todo, no.missing) == (False, "", ())
    assert undecided.confidence is None
    assert undecided.missing == (Missing("the slots", "capture them"),)


def test_confidence_is_a_word_with_its_ground() -> None:
    assert [(sure.word, sure.why) for sure in (certain("a"), likely("b"), weak("c"))] == [
        ("certain", "a"),
        ("likely", "b"),
        ("weak", "c"),
    ]


def test_a_row_an_answer() -> None:
    answers = Answers((QUESTION.yes("it is", (), likely("so")), QUESTION.undecided("unknown", ())))
    assert list(answers.records()) == [
        {
            "question": "Is it so?",
            "answer": word,
            "summary": summary,
            "confidence": sure,
            "finding": 0,
            "rests_on": "a function",
        }
        for word, summary, sure in (("yes", "it is", "likely"), ("undecided", "unknown", None))
    ]


@pytest.mark.parametrize(
    ("number", "noun", "said"),
    [
        (1, "queue", "1 queue"),
        (0, "queue", "0 queues"),
        (2, "process", "2 processes"),
        (3, "switch", "3 switches"),
        (2, "copy", "2 copies"),
        (2, "relay", "2 relays"),
        (2, "pipe", "2 pipes"),
    ],
)
def test_a_number_with_its_noun(number: int, noun: str, said: str) -> None:
    assert count(number, noun) == said
