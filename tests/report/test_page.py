"""The page: what it says is what ``--json`` says, what it may do is nothing, and a real browser likes it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
from browser import Browser
from pages import carried, hostile, known, large, result, small, words

from ringscope.cli import main
from ringscope.report.page import packed, page, unpacked
from ringscope.verdicts.answer import count


def test_the_page_carries_what_json_prints(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "out.html"
    assert main(["rehearse", "--streams", "high,low", "--json", "--html", str(file)]) == 0
    assert carried(file.read_bytes()) == json.loads(capsys.readouterr().out)


def test_text_is_printed_beside_the_page(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    main(["rehearse"])
    alone = capsys.readouterr().out
    main(["rehearse", "--html", str(tmp_path / "out.html")])
    assert capsys.readouterr().out == alone
    assert main(["rehearse", "--html", str(tmp_path / "no" / "out.html")]) == 2


def test_same_result_same_bytes() -> None:
    assert page(small()) == page(small())


def test_packing_is_undone() -> None:
    assert unpacked(packed(small())) == small()


def test_only_the_one_script_and_style_may_run() -> None:
    html = page(hostile()).decode()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', html)
    assert policy and policy[1].startswith("default-src 'none';")
    for tag in ("style", "script"):
        (text,) = re.findall(f"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
        allowed = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{allowed}';" in policy[1]


def test_nothing_outside_is_named() -> None:
    html = page(small()).decode().replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?:|url\(|@import|\bsrc=|<link|<base", html)


def test_hostile_text_stays_text() -> None:
    html = page(hostile()).decode()
    assert html.count("<script") == html.count("</script") == 2
    assert "<img" not in html
    assert not re.search("[\x00-\x09\x0b-\x1f\u200b\u202e]", html)
    assert "\\u202egpj.\\u200bexe\\u001b[31m" in html


@pytest.mark.parametrize("shape", [(64, 64), (4096, 1)])
def test_a_page_of_4096_queues_can_be_mailed(shape: tuple[int, int]) -> None:
    assert len(page(large(*shape))) < 1_500_000


def contrast(one: str, other: str) -> float:
    """WCAG 2 contrast ratio of two ``#rrggbb`` colours."""

    def light(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((light(one), light(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(
    ("text", "ground"),
    [
        *((text, ground) for text in ("ink", "soft", "accent") for ground in ("paper", "tint", "wash")),
        *((f"on-{level}", level) for level in ("low", "medium", "high", "accent")),
    ],
)
def test_text_can_be_read_on_its_ground(scheme: int, text: str, ground: str) -> None:
    style = re.findall(r":root \{(.*?)\}", page(result()).decode(), re.DOTALL)[scheme]
    colours = dict(re.findall(r"--([\w-]+): (#\w{6})", style))
    assert contrast(colours[text], colours[ground]) >= 4.5


# In a browser ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("pages")
    for name, data in (("small", small()), ("large", large()), ("hostile", hostile()), ("empty", result())):
        (home / f"{name}.html").write_bytes(page(data))
    return home


def texts(browser: Browser, selector: str) -> list[str]:
    found: list[str] = browser.eval(
        f"[...document.querySelectorAll({json.dumps(selector)})].map(e => e.textContent.trim())"
    )
    return found


def by_id(data: Any) -> list[Any]:
    queues = [queue | {"pid": process["pid"]} for process in data["processes"] for queue in process["queues"]]
    return sorted(queues, key=lambda queue: int(queue["id"]))


def slot_key(queue: Any, hqd: Any) -> str:
    return f"{queue['gpu_id']}/{hqd['xcc']}/{hqd['pipe']}.{hqd['queue']}"


@pytest.mark.parametrize("name", ["small", "large", "hostile", "empty"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_it_opens_without_a_word_in_the_console(
    browser: Browser, folder: Path, tmp_path: Path, name: str, scheme: str, width: int
) -> None:
    browser.open(folder / f"{name}.html", width=width, scheme=scheme)
    browser.screenshot(tmp_path / "page.png")
    assert (tmp_path / "page.png").stat().st_size > 10_000
    assert browser.eval("document.documentElement.scrollWidth") == width, "it scrolls sideways"
    assert browser.eval("window.hit") is None
    assert browser.problems == []


def test_light_and_dark_follow_the_reader(browser: Browser, folder: Path) -> None:
    def ground(scheme: str) -> str:
        browser.open(folder / "small.html", scheme=scheme)
        return str(browser.eval("getComputedStyle(document.body).backgroundColor"))

    assert ground("light") != ground("dark")


def test_every_queue_and_slot_is_drawn_as_json_has_it(browser: Browser, folder: Path) -> None:
    data = small()
    browser.open(folder / "small.html")
    queues = by_id(data)
    for queue in queues:
        cells = texts(browser, f"tr[data-q='{queue['id']}'] > *")
        own = [stream for stream in data["streams"] if stream["queue_id"] == queue["id"]]
        places = [f"#{data['streams'].index(stream) + 1}" for stream in own]
        level = ("LOW", "MEDIUM", "HIGH")[queue["pipe_priority"]]
        assert cells == [
            " ".join(places) or "–",
            queue["name"],
            queue["ring_base"][2:],
            hex(queue["doorbell_index"]),
            queue["mqds"][0]["address"][2:],
            f"{queue['queue_priority']} → {level}",
            f"p{queue['hqds'][0]['pipe']} q{queue['hqds'][0]['queue']}",
        ]
    held = {slot_key(queue, hqd): f"#q{queue['id']}" for queue in queues for hqd in queue["hqds"]}
    drawn = browser.eval(
        "Object.fromEntries([...document.querySelectorAll('td[data-slot]')].map("
        "c => [c.dataset.slot, c.querySelector('a')?.getAttribute('href') ?? null]))"
    )
    (device,) = data["devices"]
    assert len(drawn) == device["xccs"] * device["hqd_slots_per_xcc"]
    assert {slot: queue for slot, queue in drawn.items() if queue} == held


def test_every_number_on_the_page_is_in_the_json(browser: Browser, folder: Path) -> None:
    data = small()
    lists = [data["streams"], by_id(data), *(lane["spans"] for found in data["time"] for lane in found["lanes"])]
    counts = {str(number) for number in range(max(map(len, lists)) + 1)}
    marks = {f"{mark}{number}" for mark in "pq#" for number in counts}
    share = {f"{100 * found['busy_ns'] / found['span_ns']:.3g}" for found in data["time"]}
    browser.open(folder / "small.html")
    for queue in by_id(data):
        browser.eval(f"location.hash = 'q{queue['id']}'")
        browser.wait("document.querySelector('.detail.pinned')")
        browser.settle()
        shown = browser.eval("document.body.innerText.replace(/ringscope [\\d.]+$/, '')") + " ".join(
            texts(browser, "svg title")
        )
        assert words(shown) - known(data) - counts - marks - share == set()


def followed(browser: Browser) -> tuple[str, list[str], int]:
    """The queue that is followed: its row, its slots, and how many wires lead there."""
    browser.settle()
    rows = browser.eval("[...document.querySelectorAll('tr.hot')].map(r => r.dataset.q).join()")
    slots = browser.eval("[...document.querySelectorAll('td.hot')].map(c => c.dataset.slot)")
    return rows, sorted(slots), browser.eval("document.querySelectorAll('.wires .hot').length")


@pytest.mark.parametrize("how", ["click", "address", "keyboard", "slot", "find"])
def test_a_queue_is_followed_from_end_to_end(browser: Browser, folder: Path, how: str) -> None:
    queue = by_id(small())[2]
    browser.open(folder / "small.html", "#q2" if how == "address" else "")
    match how:
        case "click":
            browser.mouse("tr[data-q='2'] a", click=True)
        case "keyboard":
            browser.eval("document.querySelector('#stack a').focus()")
            for key in ("ArrowDown", "ArrowDown", "ArrowDown", "ArrowUp", "Enter"):
                browser.key(key)
        case "slot":
            browser.mouse(f"td[data-slot='{slot_key(queue, queue['hqds'][0])}'] a", click=True)
        case "find":
            browser.key("/")
            browser.call("Input.insertText", text=hex(queue["doorbell_index"]))
            assert texts(browser, "#found") == ["1 queue"]
            browser.key("Enter")
    browser.wait("document.querySelector('.detail.pinned')")
    assert browser.eval("location.hash") == "#q2"
    assert followed(browser) == ("2", sorted(slot_key(queue, hqd) for hqd in queue["hqds"]), len(queue["hqds"]))
    (said,) = texts(browser, "#status")
    assert f"{queue['name']} of process {queue['pid']}" in said and hex(queue["doorbell_index"]) in said
    assert browser.eval("document.querySelector('a[aria-current]').getAttribute('href')") == "#q2"
    detail = " ".join(texts(browser, ".detail li"))
    for fact in (queue["ring_base"], queue["at"], *(slot["at"] for slot in queue["hqds"] + queue["mqds"])):
        assert fact in detail
    browser.key("Escape")
    assert followed(browser)[0] == ""
    assert browser.eval("location.hash") == ""
    assert browser.problems == []


def test_the_close_button_lets_go_and_gives_focus_back(browser: Browser, folder: Path) -> None:
    browser.open(folder / "small.html", "#q1")
    browser.mouse(".detail button", click=True)
    assert followed(browser)[0] == ""
    assert browser.eval("document.activeElement.getAttribute('href')") == "#q1"


@pytest.mark.parametrize("how", ["hover", "focus", "slot"])
def test_pointing_at_a_queue_shows_its_registers(browser: Browser, folder: Path, how: str) -> None:
    queue = by_id(small())[5]
    browser.open(folder / "small.html", height=1600)
    match how:
        case "hover":
            browser.mouse("tr[data-q='5']")
        case "focus":
            browser.eval("document.querySelector(\"tr[data-q='5'] a\").focus()")
        case "slot":
            browser.mouse(f"td[data-slot='{slot_key(queue, queue['hqds'][1])}']")
    browser.settle()
    names, values = texts(browser, ".registers:first-of-type th"), texts(browser, ".registers:first-of-type td")
    assert dict(zip(names, values, strict=True)) == queue["registers"]
    assert not browser.eval("document.querySelector('.detail.pinned')")


def test_slots_are_walked_by_arrows(browser: Browser, folder: Path) -> None:
    browser.open(folder / "small.html")
    browser.eval("document.querySelector('#slots a[tabindex=\"0\"]').focus()")
    seen = []
    for key in ("ArrowRight", "ArrowLeft", "End", "Home"):
        browser.key(key)
        seen.append(browser.eval("document.activeElement.getAttribute('aria-label')"))
    assert [name.split(":")[0] for name in seen] == [
        "XCC 0 pipe 0 queue 3",
        "XCC 0 pipe 0 queue 2",
        "XCC 1 pipe 3 queue 3",
        "XCC 0 pipe 0 queue 2",
    ]


def test_answers_open_by_keyboard_and_show_their_evidence(browser: Browser, folder: Path) -> None:
    data = small()
    browser.open(folder / "small.html")
    answer = next(answer for answer in data["answers"] if answer["because"] and not answer["quiet"])
    browser.eval(f"document.querySelector('#a-{answer['id']} summary').focus()")
    browser.key("Enter")
    shown = browser.eval(f"document.querySelector('#a-{answer['id']}').innerText")
    for text in (answer["because"][0]["text"], answer["because"][0]["at"][0], answer["rests_on"]):
        assert text in shown


def test_a_reader_hears_tables_with_names_and_heads(browser: Browser, folder: Path) -> None:
    browser.open(folder / "small.html")
    nodes = browser.call("Accessibility.getFullAXTree")["nodes"]

    def named(role: str) -> list[str]:
        return [node.get("name", {}).get("value", "") for node in nodes if node.get("role", {}).get("value") == role]

    assert {"XCC 0", "XCC 1"} <= set(named("table"))
    assert {"streams", "queue", "ring", "doorbell", "priority", "slot"} <= set(named("columnheader"))
    assert {queue["name"] for queue in by_id(small())} <= set(named("rowheader"))
    assert all(named("link")) and all(named("button"))
    assert len(named("heading")) > 4
    assert all(named("image"))


def test_4096_queues_fold_and_any_of_them_is_reached(browser: Browser, folder: Path) -> None:
    browser.open(folder / "large.html")
    assert browser.eval("document.querySelectorAll('.process').length") == 64
    assert browser.eval("document.querySelectorAll('#stack tr[data-q]').length") == 0
    browser.mouse(".process:nth-child(3) summary", click=True)
    browser.wait("document.querySelectorAll('#stack tr[data-q]').length === 64")
    browser.eval("location.hash = 'q4000'")
    browser.wait("document.querySelector('.detail.pinned')")
    assert followed(browser) == ("4000", [], 0)
    seen = browser.eval(
        "(r => r.top > 0 && r.bottom < innerHeight)(document.querySelector('tr.hot').getBoundingClientRect())"
    )
    assert seen, "the queue is not in view"
    assert browser.problems == []


def test_long_lists_are_made_batch_by_batch(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_bytes(page(large(1, 600)))
    browser.open(tmp_path / "page.html", "#q599")
    assert followed(browser)[0] == "599"
    assert browser.eval("document.querySelectorAll('tr[data-q]').length") == 256 + 88
    assert texts(browser, ".queues button") == ["Show queues 257 to 512"]
    browser.mouse(".queues button", click=True)
    assert browser.eval("[...document.querySelectorAll('tr[data-q]')].map(r => r.dataset.q).join()") == ",".join(
        map(str, range(600))
    )


def test_it_prints_with_every_answer_open(browser: Browser, folder: Path) -> None:
    browser.open(folder / "small.html")
    folded = "document.querySelectorAll('.answer:not([open])').length"
    browser.eval(f"addEventListener('beforeprint', () => {{ window.folded = {folded} }})")
    paper = base64.b64decode(browser.call("Page.printToPDF")["data"])
    assert paper.startswith(b"%PDF")
    assert browser.eval("window.folded") == 0
    assert browser.eval("document.querySelectorAll('.answer[open]').length") == 0, "and closes them again"


def test_its_data_can_be_saved(browser: Browser, folder: Path, tmp_path: Path) -> None:
    browser.open(folder / "small.html")
    browser.call("Page.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    browser.mouse("#save", click=True)
    file = tmp_path / "ringscope.json"
    for _ in range(500):
        if file.exists():
            break
        browser.eval("new Promise(done => setTimeout(done, 10))")
    assert json.loads(file.read_text()) == small()


def test_a_trace_is_drawn_lane_by_lane(browser: Browser, folder: Path) -> None:
    (found,) = small()["time"]
    browser.open(folder / "small.html")
    assert texts(browser, ".lanes > summary") == ["CUs busy, looked at 2 times", *(
        ["Slots: three shades for the processes in turn", "Queues"]
    )]  # fmt: skip
    assert texts(browser, ".lane > span") == [
        *(f"{xcc['name']} up to {xcc['most']}" for xcc in found["occupancy"]),
        *(f"{slot['name']} {count(slot['runs'], 'stay')}" for slot in found["slots"]),
        *(f"{lane['name']} {count(lane['runs'], 'run')}" for lane in found["lanes"]),
    ]
    assert browser.eval("[...document.querySelectorAll('.lane svg')].map(s => s.querySelectorAll('rect').length)") == [
        *(0 for _ in found["occupancy"]),
        *(len(lane["spans"]) for lane in found["slots"] + found["lanes"]),
    ]


def test_the_policy_stops_a_script_that_got_in(browser: Browser, folder: Path) -> None:
    browser.open(folder / "small.html")
    browser.eval(
        "document.body.append(Object.assign(document.createElement('script'), { textContent: 'window.hit = 1' }))"
    )
    browser.settle()
    assert browser.eval("window.hit") is None
    assert any("Content Security Policy" in problem for problem in browser.problems)


def test_the_real_capture(browser: Browser, shared: Path, tmp_path: Path) -> None:
    file = tmp_path / "real.html"
    main(["explain", str(shared / "mi308x"), "--html", str(file)])
    browser.open(file, "#q4")
    assert texts(browser, "h1") == ["MI308X SPX"]
    assert followed(browser)[1] == [f"63420/{xcc}/0.3" for xcc in range(4)]
    assert "1 packet" in " ".join(texts(browser, ".detail li"))
    assert browser.problems == []
