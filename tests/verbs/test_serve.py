"""``ringscope serve``: who is answered, what is answered, and the page in a real browser."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from browser import Browser
from exec_runs import PROJECT
from live_machine import write_machine
from pages import carried

from ringscope.cli import main
from ringscope.errors import InputError
from ringscope.scenario.variation import Variation
from ringscope.verbs import serve
from ringscope.verbs.serve import Desk, Server, Superseded
from ringscope.verbs.simulate import warm_up

ENVIRONMENT = os.environ | {"PYTHONPATH": str(PROJECT / "src")}
SMALL = """
name = "small"
device = { gpu = "mi308x" }
kernel = [{ name = "k", workgroups = 8, duration = "20 us" }]
process = [{ name = "p", count = 2, streams = 2, request = ["k*2"], think = "10 us" }]
run = { horizon = "5 ms", warmup = "1 ms", seed = 7 }
"""


@contextmanager
def serving(desk: Desk) -> Iterator[Server]:
    """A server of its own, answering."""
    with Server("127.0.0.1", 0, desk) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("serve") / "small.toml"
    file.write_text(SMALL)
    return file


@pytest.fixture(scope="module")
def server(scenario: Path) -> Iterator[Server]:
    warm_up()
    with serving(Desk.of(scenario)) as one:
        yield one


def ask(server: Server, path: str, cookie: bool = True, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of one request."""
    connection = HTTPConnection("127.0.0.1", server.server_port, timeout=60)
    sent = {"Host": f"127.0.0.1:{server.server_port}"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    if cookie:
        sent["Cookie"] = f"{server.cookie}={server.token}"
    connection.request("GET", path, headers=sent)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, dict(answer.headers), body


# --- who is answered ----------------------------------------------------------------------------------------------


def test_the_token_makes_a_browser_known_and_leaves_the_address(server: Server) -> None:
    status, headers, _ = ask(server, f"/?token={server.token}", cookie=False)
    assert (status, headers["Location"]) == (303, "/")
    assert headers["Set-Cookie"].startswith(f"{server.cookie}={server.token}; HttpOnly; SameSite=Lax")
    assert server.address.endswith(f"/?token={server.token}")
    assert len(server.token) >= 32


def test_nobody_else_is_answered(server: Server) -> None:
    there = f"127.0.0.1:{server.server_port}"
    assert ask(server, "/", cookie=False)[0] == 403
    assert ask(server, "/?token=guess", cookie=False)[0] == 403
    assert ask(server, "/?token=%C3%A9", cookie=False)[0] == 403
    assert ask(server, "/", cookie=False, Cookie=f"{server.cookie}=guess")[0] == 403
    assert ask(server, "/", cookie=False, Cookie="a=b; \x7f=;;")[0] == 403
    assert ask(server, "/", Host=f"evil.example:{server.server_port}")[0] == 403
    assert ask(server, "/", Origin="http://evil.example")[0] == 403
    assert ask(server, "/", Origin="null")[0] == 403
    assert ask(server, "/", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="cors")[0] == 403
    assert ask(server, "/", Sec_Fetch_Site="same-site", Sec_Fetch_Mode="no-cors")[0] == 403
    assert ask(server, "/", Origin=f"http://{there}", Sec_Fetch_Site="same-origin", Sec_Fetch_Mode="cors")[0] == 200
    assert ask(server, "/", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate")[0] == 200  # a link in a mail


def test_there_is_one_page_and_one_file(server: Server) -> None:
    for path in ("/etc/passwd", "/../../etc/passwd", "/page.js", "/scenario.toml/..", "/%2e%2e/"):
        assert ask(server, path)[0] == 404, path
    assert ask(server, "/?" + "&".join(f"a{n}=1" for n in range(5000)))[0] == 400
    request = urllib.request.Request(f"http://127.0.0.1:{server.server_port}/", method="POST", data=b"x")
    with pytest.raises(urllib.error.HTTPError, match="501"):
        urllib.request.urlopen(request, timeout=10)


def test_what_an_answer_may_do_is_said(server: Server) -> None:
    _, headers, body = ask(server, "/")
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert (headers["X-Content-Type-Options"], headers["Cache-Control"]) == ("nosniff", "no-store")
    assert headers["Content-Security-Policy"] == "frame-ancestors 'none'"
    policy = re.search(rb'Content-Security-Policy" content="([^"]*)"', body)
    assert policy
    assert policy[1].startswith(b"default-src 'none'; style-src 'sha256-")
    assert b"unsafe" not in policy[1]
    assert not re.search(rb"https?:|@import|\bsrc=|<link|<base", body.replace(b"http://www.w3.org/2000/svg", b""))


@pytest.mark.parametrize("text", ["no toml", 'process = []\nrun = { horizon = "1 s" }', "x" * 100])
def test_an_address_without_a_scenario_is_one_line(server: Server, text: str) -> None:
    for state in (Variation(text).packed, "%%%", "AAAA"):
        status, _, body = ask(server, f"/?s={state}")
        assert status == 422
        assert len(body.decode().splitlines()) == 1


def test_no_trace_that_an_address_names_is_opened(server: Server, tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("Kind,Kernel_Name,Start_Timestamp,End_Timestamp\nKERNEL_DISPATCH,k,0,5000\n")
    for named in (str(secret), "/etc/passwd", "small.toml"):
        text = SMALL.replace('"20 us"', f'{{ trace = "{named}", kernel = "k" }}')
        status, _, body = ask(server, f"/?s={Variation(text).packed}")
        assert status == 422
        assert b"not opened" in body
        assert b"root:" not in body


def test_too_many_streams_are_refused_before_they_are_built(server: Server) -> None:
    status, _, body = ask(server, "/?p0.count=512&p0.normal=8")
    assert (status, b"too many" in body) == (422, True)


def test_a_scenarios_own_traces_are_read(tmp_path: Path) -> None:
    head = "Kind,Agent_Id,Queue_Id,Thread_Id,Dispatch_Id,Kernel_Id,Kernel_Name,Correlation_Id"
    csv = f"{head},Start_Timestamp,End_Timestamp\nKERNEL_DISPATCH,1,1,1,1,1,k,1,1000,26000\n"
    (tmp_path / "run.csv").write_text(csv)
    (tmp_path / "own.toml").write_text(SMALL.replace('"20 us"', '{ trace = "run.csv", kernel = "k" }'))
    desk = Desk.of(tmp_path / "own.toml")
    found = carried(desk.page({"p0.count": "1"}, lambda _: None))
    assert found["processes"][0]["count"] == 1


@pytest.mark.parametrize(
    "words", [("--port", "70000"), ("--host", "example.org"), ("absent.toml",), ("--host", "203.0.113.1")]
)
def test_what_cannot_be_served_is_one_line(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", *words]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_it_prints_one_address_on_loopback_and_ends_when_interrupted(scenario: Path) -> None:
    command = [sys.executable, "-m", "ringscope", "serve", str(scenario), "--port", "0"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)
    try:
        assert process.stderr is not None
        line = next(line for line in process.stderr if "open " in line)
        found = re.fullmatch(r"ringscope: open (http://127\.0\.0\.1:\d+/\?token=\S{32,})", line.strip())
        assert found
        knowing = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        with knowing.open(found[1], timeout=60) as answer:
            assert b"small" in answer.read()
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
    finally:
        process.kill()
        process.wait()
        if process.stderr is not None:
            process.stderr.close()


# --- what is answered ---------------------------------------------------------------------------------------------


def printed(words: list[str], capsys: pytest.CaptureFixture[str]) -> Any:
    capsys.readouterr()
    main(words)
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("query", ["/", "/?p0.count=3&p0.high=1", "/?gpu=mi300a&p0.hw_queues=1", "/?gpu=navi31"])
def test_every_number_is_the_one_that_simulate_prints(
    server: Server, query: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, _, page = ask(server, query)
    _, headers, text = ask(server, query.replace("/", "/scenario.toml", 1))
    assert headers["Content-Type"].startswith("application/toml")
    (tmp_path / "saved.toml").write_bytes(text)
    shown, said = carried(page), printed(["simulate", str(tmp_path / "saved.toml"), "--answers", "--json"], capsys)
    assert shown == said


def test_the_address_gives_the_same_page_again(server: Server) -> None:
    _, _, page = ask(server, "/?p0.count=3&gpu=mi300x&partition=spx")
    address = re.search(rb'data-address="([^"]*)"', page)
    assert address
    assert ask(server, address[1].decode())[2] == page


def test_what_takes_too_long_is_cut_and_said(monkeypatch: pytest.MonkeyPatch, scenario: Path) -> None:
    monkeypatch.setattr(serve, "BUDGET_S", 1e-6)
    desk = Desk.of(scenario)
    page = desk.page({"p0.count": "3"}, lambda _: None)
    assert carried(page)["horizon_ns"] < 5_000_000
    assert b"Cut short, to answer at once" in page
    assert b"Few requests finished" in page


def test_a_question_that_nobody_waits_for_is_dropped(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A browser that asks anew hangs up on the old question; the simulation finds out at its next step."""
    told, dropped = threading.Event(), threading.Event()

    def endless(fields: object, tell: serve.Tell) -> bytes:
        told.set()
        try:
            while True:
                tell(0)
                time.sleep(0.001)
        except Superseded:
            dropped.set()
            raise

    monkeypatch.setattr(Desk, "page", lambda _, fields, tell: endless(fields, tell))
    with socket.create_connection(("127.0.0.1", server.server_port)) as line:
        host, cookie = f"127.0.0.1:{server.server_port}", f"{server.cookie}={server.token}"
        line.sendall(f"GET / HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\n\r\n".encode())
        assert told.wait(30)
    assert dropped.wait(30)


def test_a_capture_is_shown_as_it_was_and_then_played(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_machine(tmp_path, 2, 2, 3)
    desk = Desk.of(folder)
    page = desk.page({}, lambda _: None)
    assert carried(page) == printed(["explain", str(folder), "--json"], capsys)
    assert b"As captured." in page
    assert b'data-address=""' in page
    played = carried(desk.page({"s": desk.begun.packed}, lambda _: None))
    assert [(kind["count"], kind["streams"]) for kind in played["processes"]] == [(2, 2), (1, 3)]
    assert played["device"]["gpu"] == "mi308x"
    queues = [len(process["queues"]) for process in carried(page)["processes"]]
    assert [len(process["queues"]) for process in played["explained"]["processes"]] == queues


def test_a_real_machine_is_played_with_as_many_queues_as_it_had(shared: Path) -> None:
    desk = Desk.of(shared / "mi308x/streams-16")
    was = carried(desk.page({}, lambda _: None))
    played = carried(desk.page({"s": desk.begun.packed}, lambda _: None))["explained"]
    assert [len(process["queues"]) for process in played["processes"]] == [5]
    assert [len(process["queues"]) for process in was["processes"]] == [5]
    assert [device["name"] for device in played["devices"] if device["hqds_active"]] == ["MI308X SPX"]


def test_a_capture_without_queues_is_shown_and_not_played(tmp_path: Path) -> None:
    desk = Desk.of(write_machine(tmp_path))
    assert b"It cannot be played" in desk.page({}, lambda _: None)
    with pytest.raises(InputError, match="no known machine"):
        desk.page({"p0.count": "1"}, lambda _: None)


# --- in a browser -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser(server: Server) -> Iterator[Browser]:
    one = Browser()
    one.served = f"http://127.0.0.1:{server.server_port}/"
    yield one
    one.close()


IDLE = "document.documentElement.dataset.asking === 'false' && document.documentElement.dataset.ready === 'true'"


def turn(browser: Browser, name: str, value: str) -> None:
    """Set a control as its user does, and wait for the answer."""
    quoted = json.dumps(name)
    browser.eval("document.documentElement.dataset.asking = ''")
    browser.eval(
        f"(field => {{ field.focus(); field.value = {json.dumps(value)};"
        f" for (const kind of ['input', 'change']) field.dispatchEvent(new Event(kind, {{bubbles: true}})); }})"
        f"(document.getElementById('controls').elements.namedItem({quoted}))"
    )
    browser.wait(IDLE)
    browser.settle()


def values(browser: Browser) -> dict[str, str]:
    """The controls as they stand."""
    found: dict[str, str] = browser.eval(
        "Object.fromEntries([...document.getElementById('controls').elements].filter(f => f.name && f.name !== 's')"
        ".map(f => [f.name, f.value]))"
    )
    return found


def shown(browser: Browser) -> str:
    return str(
        browser.eval("document.querySelector('body > header').innerText + document.querySelector('main').innerText")
    )


def test_each_control_changes_the_page_and_its_address_brings_it_back(browser: Browser, server: Server) -> None:
    browser.visit(server.address)
    assert "token" not in browser.eval("location.href")
    turns = {
        "p0.count": ("4", "p × 4"), "p0.high": ("2", "HIGH"), "p0.normal": ("1", "p × 4"),
        "p0.low": ("1", "LOW"), "p0.hw_queues": ("1", "compute queue"), "gpu": ("mi300a", "MI300A"),
        "partition": ("tpx", "MI300A TPX"), "rocm": ("6.1", "ROCm 6.1"), "scheduler": ("nocpsch", "nocpsch"),
    }  # fmt: skip
    addresses = {browser.eval("location.href")}
    for name, (value, text) in turns.items():
        turn(browser, name, value)
        assert values(browser)[name] == value
        assert text in shown(browser), name
        assert browser.eval("document.activeElement.name") == name, "the focus stays"
        addresses.add(browser.eval("location.href"))
    assert len(addresses) == len(turns) + 1
    whole, before, fields = browser.eval("location.href"), shown(browser), values(browser)
    browser.visit(whole)
    assert shown(browser) == before
    assert values(browser) == fields
    assert browser.problems == []


def test_back_undoes_a_change(browser: Browser, server: Server) -> None:
    browser.visit(server.address)
    turn(browser, "p0.count", "3")
    turn(browser, "p0.count", "5")
    browser.eval("document.documentElement.dataset.asking = ''")
    browser.eval("history.back()")
    browser.wait(IDLE)
    assert values(browser)["p0.count"] == "3"
    assert "p × 3" in shown(browser)
    assert browser.problems == []


def test_what_the_driver_or_the_schema_refuses_is_said_and_the_page_stays(browser: Browser, server: Server) -> None:
    browser.visit(server.address)
    before = shown(browser)
    turn(browser, "p0.normal", "0")
    assert browser.eval("document.getElementById('controls').classList.contains('wrong')")
    assert "streams" in browser.eval("document.getElementById('said').textContent")
    assert shown(browser) == before
    browser.problems.clear()  # the browser logs the refusal (422) itself
    turn(browser, "p0.normal", "1")
    assert not browser.eval("document.getElementById('controls').classList.contains('wrong')")
    assert browser.problems == []


def test_keys_and_a_screen_reader_reach_every_control(browser: Browser, server: Server) -> None:
    browser.visit(server.address)
    browser.eval("document.documentElement.dataset.asking = ''")
    browser.eval("document.querySelector('[name=gpu]').focus()")
    reached = []
    for _ in range(10):
        reached.append(browser.eval("document.activeElement.name || document.activeElement.textContent"))
        browser.key("Tab")
    assert reached == [*values(browser), "Simulate"]
    nodes = browser.call("Accessibility.getFullAXTree")["nodes"]
    names = {
        (node["role"]["value"], node["name"]["value"]) for node in nodes if node.get("name") and not node["ignored"]
    }
    for name in ("processes", "high streams", "normal streams", "low streams", "GPU_MAX_HW_QUEUES"):
        assert ("spinbutton", f"p: {name}") in names
    for name in ("GPU", "Partition", "Scheduler", "ROCm"):
        assert ("combobox", name) in names
    assert ("form", "What is simulated") in names
    browser.eval("document.querySelector('[name=\"p0.count\"]').focus()")
    browser.key("ArrowUp")
    browser.wait(IDLE)
    assert values(browser)["p0.count"] == "3"
    assert "p × 3" in shown(browser)
    assert browser.problems == []


def test_a_followed_queue_and_open_answers_survive_a_change(browser: Browser, server: Server) -> None:
    browser.visit(server.address)
    browser.eval("document.querySelector('details.answer').open = true")
    browser.eval("location.hash = 'q1'")
    browser.wait("document.querySelector('#stack tr.hot')")
    turn(browser, "p0.count", "3")
    assert browser.eval("document.querySelector('details.answer').open")
    assert browser.eval("document.querySelectorAll('#stack tr.hot').length") == 1
    assert browser.eval("document.querySelectorAll('#stack details.process').length") == 3
    browser.key("Escape")
    assert browser.eval("document.querySelector('#stack tr.hot')") is None
    assert browser.problems == []


def test_a_scenario_is_opened_from_the_users_own_files(browser: Browser, server: Server) -> None:
    browser.visit(server.address)
    browser.eval("document.documentElement.dataset.asking = ''")
    text = json.dumps(SMALL.replace('"p"', '"mine"').replace("count = 2", "count = 6"))
    browser.eval(
        f"(field => {{ const kept = new DataTransfer(); kept.items.add(new File([{text}], 'mine.toml'));"
        " field.files = kept.files; field.dispatchEvent(new Event('change', {bubbles: true})); })"
        "(document.getElementById('open'))"
    )
    browser.wait(IDLE)
    assert "mine × 6" in shown(browser)
    assert values(browser)["p0.count"] == "6"
    assert browser.problems == []


def test_changes_that_come_quickly_end_at_the_last(browser: Browser, server: Server) -> None:
    browser.visit(server.address)
    for number in (3, 4, 5, 6, 7):
        browser.eval(
            f"(field => {{ field.value = {number}; field.form.requestSubmit(); }})"
            "(document.querySelector('[name=\"p0.count\"]'))"
        )
    browser.wait(f"{IDLE} && document.querySelector('main').innerText.includes('p × 7')")
    assert values(browser)["p0.count"] == "7"
    assert browser.problems == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_it_fits_its_window(browser: Browser, server: Server, tmp_path: Path, width: int, scheme: str) -> None:
    browser.visit(server.address, width=width, scheme=scheme)
    assert browser.eval("document.documentElement.scrollWidth") <= width
    outside = "[...document.querySelectorAll('#controls *')].filter(n => n.getBoundingClientRect().right > innerWidth)"
    assert browser.eval(f"{outside}.length") == 0
    shot = tmp_path / "page.png"
    browser.screenshot(shot)
    assert shot.stat().st_size > 10_000
    assert browser.problems == []
