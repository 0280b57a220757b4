from pathlib import Path

import pytest

from ringscope.claims.lab import Lab
from ringscope.claims.reason import Method
from ringscope.claims.runs import Rules
from ringscope.claims.timed import available
from ringscope.errors import InputError
from ringscope.stack.machine import DriverSpec


def test_a_run_is_made_once() -> None:
    lab = Lab()
    assert lab.processes(2) is lab.processes(2)
    assert lab.processes(2) is not lab.processes(2, num_kcq=2)
    assert lab.fresh((0,)) is not lab.fresh((0,))


def test_rules_reach_every_run() -> None:
    lab = Lab(rules=Rules(driver=DriverSpec(num_kcq=2)))
    assert len(lab.processes(1).machine.nodes[0].slots) == 30
    assert len(lab.processes(1, num_kcq=8).machine.nodes[0].slots) == 24


def test_without_time_nothing_is_played() -> None:
    assert not Lab().has_time
    assert Lab(time=True).has_time == available()


def test_views_are_one_process_of_16_streams(shared: Path) -> None:
    views = list(Lab(shared / "mi308x").views())
    assert [view.method for view in views] == [Method.STACK, Method.CAPTURE, Method.CAPTURE]
    assert {len(view.queues) for view in views} == {5}
    assert {len(view.registers("cp_hqd_quantum")) for view in views} == {40}


def test_without_captures_there_is_the_stack() -> None:
    assert [view.method for view in Lab().views()] == [Method.STACK]
    assert not Lab().captures.runs


def test_a_folder_without_captures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        Lab(tmp_path / "none").captures  # noqa: B018
    (tmp_path / "notes.txt").write_text("nothing here")
    with pytest.raises(InputError, match="no capture of an MI308X"):
        Lab(tmp_path).captures  # noqa: B018
