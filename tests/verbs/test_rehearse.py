"""``ringscope rehearse``: a modelled machine, explained by the code that explains a real one."""

import json
from pathlib import Path
from typing import Any

import pytest

from ringscope.cli import main


def rehearse(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, Any]:
    code = main(["rehearse", "--json", *words])
    out = capsys.readouterr()
    assert not out.err, out.err
    return code, json.loads(out.out)


def answers(found: Any) -> dict[str, str]:
    return {answer["id"]: answer["answer"] for answer in found["answers"]}


def test_priorities_arrive_as_the_release_maps_them(capsys: pytest.CaptureFixture[str]) -> None:
    def levels(rocm: str) -> list[tuple[int, int]]:
        _, found = rehearse(capsys, "--streams", "high,normal,low", "--rocm", rocm)
        return [(queue["queue_priority"], queue["pipe_priority"]) for queue in found["processes"][0]["queues"]]

    assert levels("7.0") == [(0, 0), (7, 1), (11, 2), (7, 1)]
    assert levels("6.1") == [(0, 0), (7, 1), (15, 2), (7, 1)]


@pytest.mark.parametrize(("processes", "code", "over"), [(4, 0, "no"), (5, 1, "yes")])
def test_the_fifth_process_over_subscribes_by_queues(
    capsys: pytest.CaptureFixture[str], processes: int, code: int, over: str
) -> None:
    exit_code, found = rehearse(capsys, "--processes", str(processes), "--streams", "16")
    assert (exit_code, answers(found)["over-subscribed"]) == (code, over)


def test_queue_id_policy_changes_nothing_but_the_id(capsys: pytest.CaptureFixture[str]) -> None:
    def without_ids(policy: str) -> Any:
        _, found = rehearse(capsys, "--processes", "2", "--streams", "3", "--queue-ids", policy)
        ids = [queue.pop("qid") for process in found["processes"] for queue in process["queues"]]
        return ids, found["processes"], answers(found)

    (v4_ids, *v4), (v5_ids, *v5) = without_ids("first-free"), without_ids("pid-hash")
    assert v4_ids != v5_ids
    assert v4 == v5


def test_written_files_explain_the_same(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    folder = tmp_path / "machine"
    _, rehearsed = rehearse(capsys, "--gpu", "mi300a", "--streams", "high,low", "--write", str(folder))
    assert {rule["standing"] for rule in rehearsed.pop("fidelity")} == {"captured", "inferred"}
    assert main(["explain", "--json", str(folder)]) == 0
    assert json.loads(capsys.readouterr().out) == rehearsed
    assert main(["rehearse", "--write", str(folder)]) == 2
    assert "exists already" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [("--gpu", "mi9000"), ("--streams", "urgent"), ("--processes", "0"), ("--partition", "hpx"), ("--rocm", "x")],
    ids=" ".join,
)
def test_what_does_not_exist_is_refused_in_one_line(capsys: pytest.CaptureFixture[str], words: tuple[str, ...]) -> None:
    assert main(["rehearse", *words]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
