"""The bar of a served page: text of unknown origin stays text, and each control is named."""

from __future__ import annotations

import re

from pages import HOSTILE, small

from ringscope.report.controls import Bar, bar
from ringscope.report.page import page

CONTROL = {"field": f"p0.{HOSTILE}", "label": HOSTILE, "value": HOSTILE, "least": 0, "most": 9}
CHOICE = {"field": "gpu", "label": "GPU", "value": "b", "choices": [("a", "A"), ("b", HOSTILE)]}


def test_hostile_text_stays_text() -> None:
    html = "".join(bar(Bar(HOSTILE, HOSTILE, [CHOICE], [(HOSTILE, [CONTROL])], [HOSTILE])))
    assert "<img" not in html
    assert "<script" not in html
    assert not re.search("[\x00-\x1f\u200b\u202e]", html)


def test_the_chosen_one_is_chosen_and_a_number_has_its_bounds() -> None:
    html = "".join(
        bar(Bar("s", "/?s=s", [CHOICE], [("p", [CONTROL | {"field": "p0.count", "label": "processes"}])], []))
    )
    assert html.count(" selected") == 1
    assert '<option value="b" selected>' in html
    assert "min=0 max=9" in html
    assert 'aria-label="p: processes"' in html
    assert "Back to the capture" not in html
    assert "Back to the capture" in "".join(bar(Bar("s", "", [], [], [], back=True)))


def test_only_a_served_page_may_ask_its_server() -> None:
    alone, served = page(small()).decode(), page(small(), bar(Bar("s", "", [], [], []))).decode()
    assert "connect-src" not in alone
    assert "form-action 'none'" in alone
    assert "connect-src 'self'; form-action 'self'" in served
    assert "id=controls" not in alone
