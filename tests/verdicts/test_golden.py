"""Capture in, verdict table out: the wording that users read.

``PYTHONPATH=src:tests python tests/verdicts/test_golden.py`` writes the tables anew; read the diff before keeping it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ringscope.evidence.collect import collect
from ringscope.join import case_of
from ringscope.stack.hip import HipSettings
from ringscope.stack.machine import MachineSpec
from ringscope.stack.rehearse import ProcessSpec, Rehearsal, rehearse
from ringscope.verdicts import answers

GOLDEN = Path(__file__).parent / "golden"
SHARED = Path(__file__).parents[3] / "shared" / "data" / "mi308x"

REAL = {
    "mi308x-16-streams": ("streams-16",),
    "mi308x-32-streams": ("streams-32",),
    "mi308x-both-runs": ("streams-16", "streams-32"),
    "mi308x-log": ("amd-log-level-3.log",),
    "mi308x-slots-alone": ("streams-16/active/hqds",),
}
MODELLED: dict[str, Callable[[], Rehearsal]] = {
    "idle-machine": lambda: rehearse(MachineSpec.of("mi308x"), []),
    "three-priorities": lambda: rehearse(MachineSpec.of("mi308x"), [ProcessSpec((-1, 0, 1))]),
    "five-processes": lambda: rehearse(MachineSpec.of("mi308x"), [ProcessSpec((0,) * 4)] * 5),
    "cpx-seven-processes": lambda: rehearse(MachineSpec.of("mi300a", partition="cpx"), [ProcessSpec((0,))] * 7),
    "one-queue-each": lambda: rehearse(
        MachineSpec.of("mi300x"), [ProcessSpec((0, 0), settings=HipSettings(gpu_max_hw_queues=1))] * 12
    ),
    "mes": lambda: rehearse(MachineSpec.of("navi48"), [ProcessSpec((0,))]),
}


def table(paths: list[Path]) -> str:
    """What ``explain`` answers: a line an answer, ``!`` a finding, ``~`` one left out unless asked for all."""
    capture = collect(paths)
    found = answers(case_of(capture.snapshots, capture.recordings))
    return "".join(
        f"{'!' if a.finding else '~' if a.quiet else ' '} {a.id:<22} {a.verdict.value:<9} {a.summary}\n" for a in found
    )


def modelled(name: str, folder: Path) -> str:
    """The table of a modelled machine, by way of the files that it would show."""
    for path, text in MODELLED[name]().files().items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    return table([folder])


@pytest.mark.parametrize("name", REAL)
def test_real_captures(name: str, shared: Path) -> None:
    assert table([shared / "mi308x" / path for path in REAL[name]]) == (GOLDEN / f"{name}.txt").read_text()


@pytest.mark.parametrize("name", MODELLED)
def test_modelled_machines(name: str, tmp_path: Path) -> None:
    assert modelled(name, tmp_path) == (GOLDEN / f"{name}.txt").read_text()


if __name__ == "__main__":
    import tempfile

    GOLDEN.mkdir(exist_ok=True)
    for name, paths in REAL.items():
        (GOLDEN / f"{name}.txt").write_text(table([SHARED / path for path in paths]))
    for name in MODELLED:
        with tempfile.TemporaryDirectory() as folder:
            (GOLDEN / f"{name}.txt").write_text(modelled(name, Path(folder)))
