"""The table of kernel messages: every wording is read back as itself."""

import re

import pytest

from ringscope.evidence.kernel_log import LIMITS, MESSAGES, Message
from ringscope.evidence.kernel_text import _ANCHORS
from ringscope.recording import Kind

EXAMPLES = {"d": "7", "x": "0x1000", "i": "0x8001", "n": "my app:0", "s": "ADD_QUEUE", "?": " "}


def example(message: Message) -> bytes:
    """A line as the driver would print it."""
    return re.sub(r"%([dxins?])", lambda found: EXAMPLES[found[1]], message.format).encode() + b" thread x"


@pytest.mark.parametrize("message", MESSAGES, ids=lambda m: f"{m.name}: {m.format[:40]}")
def test_each_message_is_recognised_as_itself_and_found_in_a_block(message: Message) -> None:
    line = example(message)
    first = next(known for known in MESSAGES if known.read(line) is not None)
    assert first is message, f"{first.name} stands before it and takes its lines"
    assert any(anchor.search(line) for anchor in _ANCHORS)
    assert message.meaning
    assert message.source


def test_numbers_are_read_in_the_base_they_are_printed_in() -> None:
    def read(text: bytes) -> dict[str, int | str] | None:
        return next((attrs for message in MESSAGES if (attrs := message.read(text)) is not None), None)

    assert read(b"queue id 0x1f at pasid 32780 is reset") == {"qid": 0x1F, "pasid": 32780, "scope": "queue"}
    assert read(b"XCC 3: Queue preemption failed for queue with doorbell_id: 1008") == {"xcc": 3, "doorbell": 0x1008}
    assert read(b"Evicting PASID 32780 queues") == {"pasid": 32780}
    assert read(b"Evicting PASID 0x800c queues") == {"pasid": 32780}
    assert read(b"amdgpu: Pasid 0x8011 DQM create queue type 1 failed. ret -12") == {
        "pasid": 0x8011,
        "queue_type": 1,
        "errno": -12,
    }
    assert read(b"MES failed to respond to msg=REMOVE_QUEUE") == {"request": "REMOVE_QUEUE"}
    assert read(b"Evicting PASID 0012 queues") == {"pasid": 12}
    assert read(b"nothing of ours") is None


def test_a_message_whose_attributes_do_not_fit_its_format_is_refused() -> None:
    with pytest.raises(ValueError, match="2 conversions, 1 attributes"):
        Message("x", Kind.HANG, "a %d b %d", ("one",), "", "")


def test_the_four_causes_of_over_subscription_are_told_apart() -> None:
    causes = {
        b" too many processes": "processes",
        b" too many queues": "queues",
        b" multiple processes using cooperative launch": "cooperative processes",
        b" xnack on/off processes mixed on gfx9": "XNACK modes",
    }
    for text, name in causes.items():
        assert [limit for limit, words in LIMITS if any(word in text for word in words)] == [name]
