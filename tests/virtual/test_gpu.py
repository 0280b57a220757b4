"""Many processes, processes that die, and faults on purpose: what the machine does about them."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from exec_runs import PROGRAMS, Build, Ran, Runner, absent

from ringscope.cli import main
from ringscope.recording import Kind
from ringscope.stack.machine import MachineSpec
from ringscope.virtual.rocm import Root

TOGETHER = """
    for i in $(seq {count}); do "$@" {rounds} {folder}/here.$i {folder}/go & done
    while [ $(ls {folder} | grep -c here) -lt {count} ]; do sleep 0.02; done
    touch {folder}/go; wait
"""


def sizes(gpu: str) -> list[str]:
    """The save area that the driver wants of a queue, as the raw client takes it."""
    area = MachineSpec.of(gpu).nodes[0].save_area
    return [str(area.total_bytes), str(area.cwsr_bytes), str(area.ctl_stack_bytes), str(int(gpu == "mi210"))]


def empty_handed(ran: Ran) -> None:
    """Nothing is left of anybody."""
    assert (ran.folder / "after" / "mqds").read_text() == ""
    assert ran.recording.facts["bytes_left"] == 0


def test_sixteen_processes_are_over_subscribed_and_all_finish(
    newest: Root, virtual: Runner, built: Build, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    meeting = tmp_path / "meeting"
    meeting.mkdir()
    script = TOGETHER.format(count=16, rounds=15, folder=meeting)
    command = newest.command(built(newest, "many"))
    ran = virtual(None, "/bin/sh", "-c", script, "sh", *command, gpu="mi308x")
    assert ran.code == 0, ran.err
    ran.clean()
    assert "16 processes" in ran.err and re.search(r"the slots changed hands \d+ times", ran.err)
    assert len(ran.calls("CREATE_QUEUE")) == 80
    # Which of the two limits is passed first depends on who comes first; both are in the end.
    assert list(ran.recording.of(Kind.OVERSUBSCRIBED))
    empty_handed(ran)
    capsys.readouterr()
    assert main(["explain", str(ran.folder)]) == 1
    said = " ".join(capsys.readouterr().out.split())
    # The fifth process does not fit: 4 x 5 queues are 20 of 24.
    pids = [event.pid for event in ran.recording.of(Kind.PROCESS_OPEN)]
    since = re.search(r"80 of 24 queues, since process (\d+)", said)
    assert since and int(since[1]) in pids


def test_calls_and_packets_in_any_order_are_all_served(newest: Root, virtual: Runner, built: Build) -> None:
    # Runs of calls, runs of packets, one of each in turn, and waits asleep: what the supervisor polls for changes.
    rounds = 300
    ran = virtual(newest, built(newest, "rtt"), "-1", *sizes("mi210"), "0", str(rounds))
    assert ran.code == 0, ran.err
    ran.clean()
    measured = [line.split()[0] for line in ran.out.splitlines()]
    assert [name for name in measured if name in ("ioctl", "barrier", "in_turn", "blocked")] == [
        "ioctl", "barrier", "in_turn", "blocked",
    ]  # fmt: skip
    assert len(ran.calls("GET_VERSION")) == 2 * rounds
    assert {event.attrs["wait_result"] for event in ran.calls("WAIT_EVENTS")} == {0}
    assert len(list(ran.recording.of(Kind.PACKET))) == 3 * rounds


def test_killed_processes_leave_nothing_and_disturb_nobody(newest: Root, virtual: Runner, built: Build) -> None:
    program = built(newest, "churn")
    for gpu in ("mi210", "mi308x"):
        ran = virtual(None, program, "12", "16", "5", "3", *sizes(gpu), gpu=gpu)
        assert ran.code == 0, ran.out
        found = re.search(r"killed (\d+), right (\d+), wrong 0", ran.out)
        assert found and int(found[1]) > 20 and int(found[1]) + int(found[2]) == 192
        assert len(list(ran.recording.of(Kind.PROCESS_EXIT))) == len(list(ran.recording.of(Kind.PROCESS_OPEN)))
        ran.clean()
        empty_handed(ran)


def test_the_driver_serves_who_opened_it_and_waits_know_signals(newest: Root, virtual: Runner, built: Build) -> None:
    ran = virtual(None, built(newest, "inherit"))
    assert ran.out.splitlines() == [
        "inherited: Bad file descriptor",
        "own: served",
        "unknown: Inappropriate ioctl for device",
        "short: Invalid argument",
        "nowhere: Bad address",
        "interrupted: Interrupted system call, alarms 1, the rest left",
        "then: served, result 1, in its time",
    ]
    assert "1 unknown ioctl" in ran.err and "ioctl 0xc0084b7f of /dev/kfd (1x)" in ran.err


BECOMES_ANOTHER = """
import fcntl, os, struct, sys
kfd = os.open("/dev/kfd", os.O_RDWR)
gpu_id = int(open("/sys/class/kfd/kfd/topology/nodes/1/gpu_id").read())
fcntl.ioctl(kfd, 0xC0284B16, struct.pack("<4Q2I", 1 << 40, 4096, 0, 0, gpu_id, 2))
if len(sys.argv) < 2:
    os.execv(sys.executable, [sys.executable, "-c", os.environ["SCRIPT"], "again"])
"""


def test_a_program_that_turns_into_another_begins_anew(virtual: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both take the same address: what the first held is gone though its process is not."""
    monkeypatch.setenv("SCRIPT", BECOMES_ANOTHER)
    ran = virtual(None, sys.executable, "-c", BECOMES_ANOTHER)
    assert ran.code == 0 and "2 processes" in ran.err, ran.err
    opened, closed = (list(ran.recording.of(kind)) for kind in (Kind.PROCESS_OPEN, Kind.PROCESS_EXIT))
    assert len(opened) == len(closed) == 2 and len({event.pid for event in (*opened, *closed)}) == 1
    assert [event.attrs["errno"] for event in ran.calls("ALLOC_MEMORY_OF_GPU")] == [0, 0]
    assert ran.recording.facts["bytes_left"] == 0


SURFACE = {
    "dispatch": "dispatch done\n",
    "indirect": "indirect 11 12 13\n",
    "dmabuf": "exported 8192 bytes, this device, kind 1\nbad: -1 -1\nmapped: Permission denied\nimported: 0\n",
    "fault": "before: Resource temporarily unavailable\nevent 1 of this process: {name}\n"
    "other: Resource temporarily unavailable\n",
    "together": "lost 0 of 20000\n",
}


@pytest.mark.parametrize("what", SURFACE)
def test_what_tools_ask_for_is_there(what: str, newest: Root, virtual: Runner, built: Build) -> None:
    program = built(newest, "surface")
    options = ("--kernels", "time") if what == "dispatch" else ()
    ran = virtual(None, program, what, *sizes("mi308x"), gpu="mi308x", options=options)
    assert (ran.code, ran.out) == (0, SURFACE[what].format(name=Path(program).name[:15])), ran.err
    assert "0 unknown ioctls" in ran.err
    assert ran.recording.facts["bytes_left"] == 0


def static(folder: Path) -> str:
    """The raw client as a program without a loader, which no preloaded library could reach; its path."""
    target = folder / "surface"
    compiler = shutil.which("gcc")
    if compiler is None:
        absent("no compiler: install gcc")
    subprocess.run([compiler, "-O1", "-w", "-static", "-o", target, PROGRAMS / "surface.c"], check=True)
    return str(target)


def test_a_static_program_is_served(virtual: Runner, tmp_path: Path) -> None:
    program = static(tmp_path)
    ran = virtual(None, program, "indirect", *sizes("mi210"))
    assert (ran.code, ran.out) == (0, SURFACE["indirect"]), ran.err
    ran.clean()


WITHOUT_RIGHTS = """
import ctypes, os, sys
PR_CAPBSET_DROP = 24
for right in range(64):  # who has none cannot drop any, nor needs to
    ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, right, 0, 0, 0)
os.execv(sys.executable, [sys.executable, "-m", "ringscope", *sys.argv[1:]])
"""
"""Runs ringscope so that not even root may do what others may not."""


def test_nobody_needs_to_be_root(tmp_path: Path) -> None:
    """Neither the supervisor nor the program has a capability."""
    rights = 'grep -h CapEff /proc/self/status /proc/$PPID/status; exec "$0" "$@"'
    words = ("exec", "--gpu", "mi308x", "--record", tmp_path / "run", "--", "/bin/sh", "-c", rights)
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_RIGHTS, *words, static(tmp_path), "indirect", *sizes("mi308x")],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    none = "CapEff:\t0000000000000000\n"
    assert (done.returncode, done.stdout) == (0, 2 * none + SURFACE["indirect"]), done.stderr
    assert (tmp_path / "run" / "recording.jsonl").exists()


def queues(virtual: Runner, root: Root, built: Build, *faults: str) -> Ran:
    options = tuple(word for fault in faults for word in ("--fault", fault))
    return virtual(root, built(root, "queues"), options=options)


@pytest.mark.parametrize(
    ("fault", "errno"), [("create@create:3=ENOSPC", 28), ("doorbells=2", 16), ("create@create:1", 12)]
)
def test_a_create_fails_as_asked(fault: str, errno: int, newest: Root, virtual: Runner, built: Build) -> None:
    ran = queues(virtual, newest, built, fault)
    assert ran.code == 3 and "HSA_STATUS_ERROR_OUT_OF_RESOURCES" in ran.err
    failed = [event.attrs for event in ran.calls("CREATE_QUEUE") if event.attrs["errno"]]
    assert {attrs["errno"] for attrs in failed} == {errno}
    assert all("on purpose" in str(attrs["why"]) for attrs in failed)
    assert "faults on purpose: " in ran.err
    empty_handed(ran)


def test_evicted_queues_come_back_and_finish(newest: Root, virtual: Runner, built: Build) -> None:
    ran = queues(virtual, newest, built, "evict@packet:200=30ms", "fence=1ms")
    assert ran.code == 0 and ran.out.endswith("end\n")
    moved = [event for event in ran.recording.events if event.kind in (Kind.QUEUE_EVICT, Kind.QUEUE_RESTORE)]
    assert [event.kind for event in moved] == [Kind.QUEUE_EVICT, Kind.QUEUE_RESTORE]
    assert moved[1].time_ns - moved[0].time_ns >= 30_000_000
    assert "evict 1x" in ran.err and "fence" in ran.err


def test_a_slow_fence_holds_up_every_preemption(newest: Root, virtual: Runner, built: Build) -> None:
    ran = queues(virtual, newest, built, "fence=20ms")
    assert ran.code == 0 and ran.out.endswith("end\n")
    events = list(ran.recording.events)
    updates = [i for i, event in enumerate(events) if event.attrs.get("name") == "UPDATE_QUEUE"]
    assert len(updates) == 3
    for index in updates:
        # The driver's own events of the call come behind it in the file, and were before it in time.
        sent = next(event for event in events[index:] if event.kind is Kind.RUNLIST)
        assert events[index].time_ns - sent.time_ns >= 20_000_000
    changes = len(ran.calls("CREATE_QUEUE")) + len(updates) + len(ran.calls("DESTROY_QUEUE"))
    said = re.search(r"fence (\d+)x", ran.err)
    assert said and int(said[1]) >= changes


def test_a_hang_ends_in_a_reset_that_loses_the_queues(newest: Root, virtual: Runner, built: Build) -> None:
    ran = queues(virtual, newest, built, "hang@packet:200=20ms")
    assert ran.code == 134
    assert "the firmware hung and the GPU was reset" in ran.err and "HW Exception by GPU node-1" in ran.err
    kinds = [event.kind for event in ran.recording.events]
    assert kinds.index(Kind.HANG) < kinds.index(Kind.RESET)
    empty_handed(ran)


def test_a_reset_queue_tells_its_runtime(newest: Root, virtual: Runner, built: Build) -> None:
    ran = queues(virtual, newest, built, "reset@packet:20")
    assert ran.code == 134 and "the queue was reset" in ran.err and "HW Exception by GPU node-1" in ran.err


@pytest.mark.parametrize("fault", ["kill@create:2", "kill@packet:50"])
def test_a_client_dies_where_it_is_told(fault: str, newest: Root, virtual: Runner, built: Build) -> None:
    ran = queues(virtual, newest, built, fault)
    assert ran.code == 137
    empty_handed(ran)


def test_copies_need_no_sdma_and_memory_has_an_end(root: Root, virtual: Runner, built: Build) -> None:
    ran = virtual(root, built(root, "copies"), "4", options=("--fault", "sdma=0"))
    assert ran.code == 0 and ran.out.endswith("wrong 0\nend\n"), ran.err
    assert not ran.recording.counters.get("packet:sdma-copy")
    ran = virtual(root, built(root, "copies"), "4", options=("--fault", "sdma=1"))
    assert ran.code == 0 and ran.out.endswith("wrong 0\nend\n"), ran.err
    sdma = [event.attrs["errno"] for event in ran.calls("CREATE_QUEUE") if event.attrs["queue_type"] in (1, 3, 4)]
    assert sdma.count(0) == 1 and set(sdma) <= {0, 12}
    assert ran.recording.counters["packet:sdma-copy"]
    ran = virtual(root, built(root, "copies"), options=("--fault", "memory=100M"))
    assert ran.code == 3 and "emory" in ran.err
    assert any(event.attrs["errno"] == 12 for event in ran.calls("ALLOC_MEMORY_OF_GPU"))


def test_wild_memory_and_bad_packets_are_reported_as_by_a_real_gpu(root: Root, virtual: Runner, built: Build) -> None:
    ran = virtual(root, built(root, "bad"), "memory")
    assert ran.code == 134
    assert re.search(r"Memory access fault by GPU node-1 .* on address 0x66600008. Reason: Page not present", ran.err)
    empty_handed(ran)
    ran = virtual(root, built(root, "bad"), "packet")
    assert ran.code == 0 and ran.out.startswith("HSA_STATUS_ERROR_INVALID_PACKET_FORMAT")
    assert "packet 0 is invalid: type 9" in ran.err
    assert [event.attrs["qid"] for event in ran.recording.of(Kind.FAULT)]


@pytest.mark.parametrize("seed", ["1", "2", "3", "6"])
def test_senseless_calls_are_answered_and_served_on(seed: str, newest: Root, virtual: Runner, built: Build) -> None:
    ran = virtual(None, built(newest, "fuzz"), seed, "2000", *sizes("mi308x"), gpu="mi308x")
    assert (ran.code, ran.out) == (0, "still served, version 1\n"), ran.err
    assert "Traceback" not in ran.err
    assert ran.recording.facts["bytes_left"] == 0
