"""What each real HIP runtime logs, held against what the driver was asked in the same run."""

import io
from collections import Counter

import pytest
from exec_runs import Build, Runner

from ringscope.evidence.amd_log import read
from ringscope.recording import Kind, Recording
from ringscope.virtual.rocm import Root

NAMES_RINGS = {"rocm-6.4"}
"""Before ROCm 6.2 the log names queues by their hsa_queue_t."""


@pytest.fixture(autouse=True)
def level_4(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMD_LOG_LEVEL", "4")


def log_of(err: str) -> Recording:
    return read(io.BytesIO(err.encode()), "stderr")


def test_18_streams_share_the_12_queues_that_the_driver_made(root: Root, virtual: Runner, built: Build) -> None:
    ran = virtual(root, built(root, "streams"), "6")
    log = log_of(ran.err)
    name = "ring_base" if root.name in NAMES_RINGS else "hsa_queue"
    priorities = {event.attrs[name]: event.attrs["priority"] for event in log.of(Kind.QUEUE_CREATE)}
    streams = list(log.of(Kind.STREAM_CREATE))
    assert Counter(priorities.values()) == {0: 4, 1: 4, 2: 4}
    assert Counter(event.attrs["priority"] for event in streams) == {0: 6, 1: 6, 2: 6}
    assert all(priorities[event.attrs[name]] == event.attrs["priority"] for event in streams)
    assert len(list(log.of(Kind.STREAM_DESTROY))) == 18
    assert log.facts["gpu_max_hw_queues"] == 4
    calls = ran.calls("CREATE_QUEUE")
    assert log.facts["pid"] == calls[0].pid
    if name == "ring_base":
        assert set(priorities) <= {event.attrs["ring_base_address"] for event in calls}
        assert log.notes == ()
    else:
        assert "cannot be joined to hardware slots" in log.notes[0]


def test_launches_and_their_packets_are_counted(root: Root, virtual: Runner, built: Build) -> None:
    ran = virtual(root, built(root, "kernel"), "3", options=("--kernels", "time"))
    log = log_of(ran.err)
    assert (log.counters["launches"], log.counters["launch_errors"], log.counters["dispatches"]) == (3, 0, 3)
    assert log.counters["barriers"] >= 2
    (ring,) = [key.partition(":")[2] for key in log.counters if key.startswith("dispatches:")]
    if root.name != "rocm-5.2":  # which names the hsa_queue_t here too
        assert int(ring, 16) in {event.attrs["ring_base_address"] for event in ran.calls("CREATE_QUEUE")}
