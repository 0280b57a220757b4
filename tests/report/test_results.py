"""Pages of the other verbs: they carry what ``--json`` prints, and show no figure that is not in it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from browser import Browser
from commands import furnish
from pages import HOSTILE, carried, known, text_of, words

from ringscope.cli import main

ROOT = Path(__file__).parents[2]
MARKS = {"GPU_MAX_HW_QUEUES", "p50", "p90", "p99"}


def drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str], *line: str) -> tuple[Any, str]:
    """What a verb prints as JSON, and what its page says; the page carries the same."""
    file = tmp_path / "out.html"
    head, *rest = line
    main([head, "--json", "--html", str(file), *rest])
    printed = json.loads(capsys.readouterr().out)
    assert carried(file.read_bytes()) == printed
    return printed, text_of(file.read_bytes())


@pytest.mark.parametrize("launch", ["--ranks 12 --mpi openmpi --partition cpx", "--ranks 3", "--ranks 500"])
def test_check_shows_limits_needs_and_what_helps(
    launch: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, text = drawn(tmp_path, capsys, "check", "--gpu", "mi300a", *launch.split())
    assert ("Does not fit" in text) != data["fits"]
    for budget in data["budgets"]:
        assert f"{budget['need']} of {budget['limit']}" in text and budget["source"] in text
    for fix in data["fixes"]:
        assert fix["knob"] in text
    for stage in data["stages"]:
        assert stage["name"] in text
    shares = {f"{100 * found['busy_ns'] / found['span_ns']:.3g}" for found in data.get("time", ())}
    known_too = shares | {word for name in MARKS for word in words(text) if word.startswith(name)}
    assert words(text) - known(data) - known_too == set()


def test_a_launch_that_the_driver_refuses_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = "--gpu mi300a --ranks 1 --streams 4000 --hw-queues 2000"
    data, text = drawn(tmp_path, capsys, "check", *line.split())
    assert data["refused"] and f"Refused: {data['refused']}." in text


def test_a_study_shows_its_conclusion_charts_and_tables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("numba")
    data, text = drawn(tmp_path, capsys, "study", "five-schemes")
    assert text.index(data["conclusion"][0]) < text.index(data["tables"][0]["title"])
    for chart in data["charts"]:
        assert chart["title"] in text and all(name in text for name, _ in chart["bars"])
    settings = {rule["rule"].removeprefix("policy."): rule["setting"] for rule in data["fidelity"]}
    assert settings == data["policies"]
    assert words(text) - known(data) == set()


def test_a_simulation_shows_who_got_what_and_what_it_rests_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("numba")
    data, text = drawn(tmp_path, capsys, "simulate", str(ROOT / "examples" / "over-subscribed.toml"))
    assert text.index("over-subscribed: ") < text.index("Who got what") < text.index("Questions and answers")
    for rule in data["fidelity"]:
        assert f"{rule['rule']} = {rule['setting']}" in text
    shares = {f"{100 * found['busy_ns'] / found['span_ns']:.3g}" for found in data["explained"]["time"]}
    assert words(text) - known(data) - MARKS - shares == set()


def test_exec_shows_its_recording(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, text = drawn(tmp_path, capsys, "exec", "--gpu", "mi308x", "--", "sh", "-c", "exit 3")
    assert data["exit_code"] == 3 and "ended with exit code 3 on a virtual GPU" in text
    counts = {str(number) for number in range(len(data["explained"]["answers"]))}  # "8 questions that nothing here …"
    assert words(text) - known(data) - counts == set()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("results")
    furnish(home)
    (home / "run.toml").write_text(f"name = {json.dumps(HOSTILE)}\n" + (home / "run.toml").read_text())
    return home


@pytest.mark.parametrize(
    "line",
    [
        "check --gpu mi300a --ranks 12 --hw-queues 4",
        "study five-schemes",
        "simulate run.toml --answers",
        "rehearse --streams high,low",
        "exec -- echo ran",
    ],
)
def test_a_real_browser_opens_it_without_a_word_and_without_scrolling_sideways(
    line: str, folder: Path, browser: Browser
) -> None:
    verb, *rest = line.split()
    file = folder / f"{verb}.html"
    command = [sys.executable, "-m", "ringscope", verb, "--html", str(file), *rest]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode in {0, 1, 3}, done.stderr
    for width, scheme in ((1280, "light"), (390, "dark")):
        browser.open(file, width=width, scheme=scheme)
        assert browser.eval("document.querySelector('h1').textContent.trim().length > 0")
        assert browser.eval("document.documentElement.scrollWidth") == width, "it scrolls sideways"
        assert browser.eval("window.hit") is None
    assert browser.problems == []
