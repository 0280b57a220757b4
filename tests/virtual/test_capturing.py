"""``ringscope capture`` beside unmodified HIP programs: as root, as an ordinary user, and around a program."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tarfile
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from exec_runs import PROJECT, Build, Ran, Runner

from ringscope.capture import moment
from ringscope.cli import main
from ringscope.stack.machine import MachineSpec
from ringscope.virtual.rocm import Root

PROCESSES, STREAMS = 3, 2
QUEUES = PROCESSES * (STREAMS + 1)  # a process has one of ROCr's own

# Both captures and a copy of the live files are taken while the queues stand.
SCRIPT = f"""
set -e
{{program}} &
until [ "$(ls -d /sys/class/kfd/kfd/proc/*/queues/* 2>/dev/null | wc -l)" -eq {QUEUES} ]; do sleep 0.05; done
mkdir {{out}}/live
for name in mqds hqds rls; do cat /sys/kernel/debug/kfd/$name > {{out}}/live/$name; done
cp -r /sys/devices/virtual/kfd/kfd/proc {{out}}/live/proc
cp -r /sys/devices/virtual/kfd/kfd/topology {{out}}/live/topology
{{ringscope}} capture -o {{out}}/root.tar.gz > {{out}}/root.txt || test $? -eq 3
{{as_user}} {{ringscope}} capture -o {{out}}/user/user.tar.gz > {{out}}/user.txt && exit 9 || test $? -eq 3
{{as_user}} {{ringscope}} doctor --json > {{out}}/doctor.json && exit 9 || test $? -eq 1
touch {{out}}/stop
wait
"""
EVERYBODYS = "/usr/bin/python3"


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that any user may enter; pytest closes its own to all others."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def explained(capsys: pytest.CaptureFixture[str], path: Path) -> dict[str, Any]:
    capsys.readouterr()
    main(["explain", "--json", str(path)])
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def answers(found: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {answer["id"]: (answer["answer"], answer["summary"]) for answer in found["answers"]}


def without_places(value: Any) -> Any:
    """The value without where each thing was read."""
    if isinstance(value, dict):
        return {key: without_places(item) for key, item in value.items() if key != "at"}
    return [without_places(item) for item in value] if isinstance(value, list) else value


def taken(newest: Root, built: Build, virtual: Runner, folder: Path) -> Ran:
    """Runs the script on a virtual MI308X; files are in ``folder``."""
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("only root can become another user (setpriv)")
    if not os.access(EVERYBODYS, os.X_OK):
        pytest.skip(f"the other user needs a Python of its own: {EVERYBODYS}")
    (folder / "user").mkdir()
    # What the other user runs must lie where that user may go.
    shutil.copytree(PROJECT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    folder.chmod(0o755)
    (folder / "user").chmod(0o777)
    program = " ".join(newest.command(built(newest, "stay"), str(PROCESSES), str(STREAMS), f"{folder}/stop"))
    text = SCRIPT.format(
        program=program,
        out=folder,
        ringscope=f"env PYTHONPATH={folder}/src PYTHONDONTWRITEBYTECODE=1 {EVERYBODYS} -m ringscope",
        as_user="setpriv --reuid=65534 --regid=65534 --clear-groups",
    )
    return virtual(None, "/bin/sh", "-c", text, gpu="mi308x")


def test_a_bundle_answers_like_the_live_state_and_a_users_says_what_it_lacks(
    newest: Root, built: Build, virtual: Runner, public: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = public
    ran = taken(newest, built, virtual, folder)
    assert ran.code == 0, ran.err
    live, bundle = explained(capsys, folder / "live"), explained(capsys, folder / "root.tar.gz")
    assert answers(bundle) == answers(live)
    assert answers(bundle)["over-subscribed"][0] == "no"
    assert [len(process["queues"]) for process in bundle["processes"]] == [STREAMS + 1] * PROCESSES
    names = {process.pop("name") for process in bundle["processes"]}  # the live files do not say them
    assert len(names) == 1
    assert not {process.pop("name") for process in live["processes"]} & names
    assert without_places(bundle["processes"]) == without_places(live["processes"])

    user = explained(capsys, folder / "user" / "user.tar.gz")
    assert {(process["pid"], len(process["queues"])) for process in user["processes"]} == {
        (process["pid"], STREAMS + 1) for process in live["processes"]
    }
    lacks = {row["path"]: row["why"] for row in user["unread"]}
    assert {lacks[f"/sys/kernel/debug/kfd/{name}"] for name in ("mqds", "hqds", "rls")} == {"permission denied"}
    assert answers(user)["over-subscribed"][0] == "undecided"

    checks = {check["name"]: check for check in json.loads((folder / "doctor.json").read_text())["checks"]}
    assert checks["debugfs.hqds"]["status"] == "missing"
    assert "sudo" in checks["debugfs.hqds"]["remedy"]
    assert checks["driver.processes"]["status"] == "ok"


def test_a_program_is_watched_from_before_its_queues_until_after(
    newest: Root, built: Build, virtual: Runner, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = tmp_path / "bundle.tar.gz"
    stop = tmp_path / "stop"
    program = newest.command(built(newest, "stay"), "2", "5", str(stop))
    # The program is let go once every queue of both processes stands and has been looked at under load: a look that was
    # under way when the last one came may have missed it, the second one from then on has not.
    queues = 2 * (4 + 1)
    watch = f"""(
        until [ "$(ls -d /sys/class/kfd/kfd/proc/*/queues/* 2>/dev/null | wc -l)" -eq {queues} ]; do sleep 0.05; done
        for look in 1 2; do rm -f {tmp_path}/load; until [ -e {tmp_path}/load ]; do sleep 0.05; done; done
        touch {stop} ) & exec {" ".join(program)}"""
    ran = virtual(
        None, "/bin/sh", "-c",
        f"python=$0; $python -m ringscope capture --every 0.1s -o {bundle} --during -- /bin/sh -c '{watch}' 2>&1 "
        f"| while read -r line; do case $line in *load:*) touch {tmp_path}/load;; esac; echo $line; done",
        sys.executable,
        gpu="mi308x",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    with tarfile.open(bundle) as tar:
        manifest = json.load(tar.extractfile(tar.next()))  # type: ignore[arg-type]
    labels = [moment["folder"].split("-")[1] for moment in manifest["snapshots"]]
    assert labels[0] == "before"
    assert labels[-1] == "after"
    assert {"queues", "load"} <= set(labels)
    assert manifest["exit_code"] == 0
    found = explained(capsys, bundle)
    logs = {stream["pid"] for stream in found["streams"]}
    assert len(logs) == 2
    assert logs == {process["pid"] for process in found["processes"]}
    assert sum(len(process["queues"]) for process in found["processes"]) == queues
    assert [state["processes"] for state in (found["snapshots"][0], found["snapshots"][-1])] == [0, 0]


COMING_AND_GOING = """
set -e
{blink} {out}/stop {rate} 3 {sizes} > {out}/blink.txt &
until ls -d /sys/class/kfd/kfd/proc/*/queues/* >/dev/null 2>&1; do sleep 0.01; done
for look in $(seq {looks}); do
    {python} -m ringscope capture -o {out}/look-$look.tar.gz >/dev/null 2>&1 || test $? -eq 3
done
touch {out}/stop
wait
"""
LOOKS = 4


@pytest.mark.parametrize("rate", [100, 5])
def test_a_look_at_processes_that_come_and_go_is_whole_or_says_it_is_not(
    rate: int, newest: Root, built: Build, virtual: Runner, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    area = MachineSpec.of("mi308x").nodes[0].save_area
    sizes = f"{area.total_bytes} {area.cwsr_bytes} {area.ctl_stack_bytes} 0"
    text = COMING_AND_GOING.format(
        rate=rate, blink=built(newest, "blink"), out=tmp_path, sizes=sizes, looks=LOOKS, python=sys.executable
    )
    ran = virtual(None, "/bin/sh", "-c", text, gpu="mi308x")
    assert ran.code == 0, ran.err
    came = int((tmp_path / "blink.txt").read_text().split()[1].rstrip(","))
    assert came > LOOKS and "wrong 0" in (tmp_path / "blink.txt").read_text()
    torn = seen = 0
    for look in range(1, LOOKS + 1):
        bundle = tmp_path / f"look-{look}.tar.gz"
        with tarfile.open(bundle) as tar:
            members = {member.name.partition("/")[2]: tar.extractfile(member) for member in tar if member.isfile()}
            files = {name: file.read() for name, file in members.items() if file}
        (taken,) = json.loads(files["manifest.json"])["snapshots"]
        mqds = moment.queues_of(files["1-now/mqds"])
        if taken["changed"]:
            assert taken["attempts"] == moment.ATTEMPTS
            torn += 1
        else:
            # Nobody came or went between the two readings of mqds: every file in between tells of the same queues.
            listed = {tuple(path.split("/")[2:5:2]) for path in files if "/queues/" in path}
            assert Counter(pid for pid, *_ in mqds) == Counter(pid for pid, _ in listed)
            assert moment._strangers(files["1-now/hqds"], mqds) == ()
        seen += bool(mqds)
        notes = [note for note in explained(capsys, bundle)["notes"] if "while it was read" in note]
        assert bool(notes) == bool(taken["changed"])
    assert seen
    assert torn or rate < 100
