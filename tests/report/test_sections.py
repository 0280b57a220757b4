"""What a page says of queues, in the reader's order."""

import re

from machines import machine
from pages import result, small

from ringscope.report.page import page


def test_answer_first_in_words() -> None:
    words = re.sub(r"<[^>]+>", " ", page(small()).decode().split("<h2")[0])
    assert "2 processes hold 8 queues; 8 of 24 hardware slots are busy on each of 2 XCC." in words


def test_findings_come_before_everything_else() -> None:
    html = page(result(machine({7001: [7] * 30}))).decode()
    findings = html.split("class=findings")[1].split("</section>")[0]
    assert "Over-subscribed? yes" in findings
    assert html.index("class=findings") < html.index("h-answers") < html.index("h-machine")


def test_nothing_captured_is_said() -> None:
    html = page(result()).decode()
    assert "No process holds a queue." in html
    assert "id=machine" not in html


def test_streams_of_another_run_are_listed_by_ring() -> None:
    data = small()
    for stream in data["streams"]:
        stream["queue_id"] = None
    html, rings = page(data).decode(), {stream["ring_base"] for stream in data["streams"]}
    assert "Streams seen only in a log" in html
    assert f"{len(data['streams'])} streams on {len(rings)} queues" in html
