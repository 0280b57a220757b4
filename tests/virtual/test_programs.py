"""Unmodified ROCm programs of three generations on the virtual GPU, judged by their data and by the recording."""

import re
from collections import Counter
from itertools import takewhile

import pytest
from exec_runs import Build, Runner, fetched

from ringscope.parts.catalogue import devices, find
from ringscope.recording import Kind
from ringscope.virtual.rocm import ROOTS, Root

HIGH = {"rocm-5.2": 15, "rocm-6.1": 15, "rocm-6.4": 11}
"""What a high priority is for KFD: the runtime's choice changed with ROCr 6.2 (facts §2)."""


PAIRS = ((ROOTS[0], "mi210"), *((root, gpu) for root in ROOTS[1:] for gpu in ("mi210", "mi308x")))
"""ROCm 5.2 does not know gfx942."""


@pytest.fixture(params=PAIRS, ids=lambda pair: f"{pair[0].name}-{pair[1]}")
def pair(request: pytest.FixtureRequest) -> tuple[Root, str]:
    return fetched(request.param[0]), request.param[1]


def test_rocminfo_shows_the_device(pair: tuple[Root, str], virtual: Runner) -> None:
    root, gpu = pair
    ran = virtual(root, "rocminfo", gpu=gpu)
    assert ran.code == 0, ran.err
    assert f"AMD Instinct {gpu.upper()}" in ran.out
    assert re.search(rf"Name: +gfx{find(gpu).gfx} ", ran.out)
    assert re.search(rf"Compute Unit: +{find(gpu).cus} ", ran.out)
    ran.clean()


UNKNOWN = {"rocm-5.2": {"942", "950", "1036", "1100", "1101", "1102", "1103", "1150", "1151", "1200", "1201"},
           "rocm-6.1": {"950", "1200", "1201"}, "rocm-6.4": set[str]()}  # fmt: skip
"""Targets that ROCr and thunk of each generation do not know."""
DEVICES = [device.key for device in devices() if device.doorbell_bytes == 8]
TARGETS = {find(key).gfx: key for key in DEVICES}.values()
"""One device of each: the older generations are asked for no more."""


@pytest.mark.parametrize(
    ("root", "gpu"),
    [(root, gpu) for root in ROOTS for gpu in (DEVICES if root is ROOTS[-1] else TARGETS)],
    ids=lambda value: getattr(value, "name", value),
)
def test_a_rocm_takes_every_device_it_knows_and_of_others_that_is_said(root: Root, gpu: str, virtual: Runner) -> None:
    ran = virtual(fetched(root), "rocminfo", gpu=gpu)
    gfx = find(gpu).gfx
    known = gfx not in UNKNOWN[root.name]
    assert ran.code == 0
    assert bool(re.search(rf"Name: +gfx{gfx} ", ran.out)) == known
    assert (f"its ROCm may not know gfx{gfx}; choose another --gpu" in ran.err) != known
    ran.clean()


def test_a_hip_that_is_older_than_its_rocr_is_told_of_too(newest: Root, virtual: Runner, built: Build) -> None:
    program = built(newest, "masks")
    ran = virtual(newest, program, gpu="mi350x")
    assert ran.code == 3 and "a part of its ROCm (HIP) may not know gfx950; choose another --gpu" in ran.err
    assert "may not know" not in virtual(newest, program, gpu="mi325x").err
    assert "may not know" not in virtual(None, "sh", "-c", "exit 3").err
    assert "may not know" not in virtual(newest, program, options=("--fault", "create@create:1")).err


@pytest.mark.parametrize("gpu", ["navi21", "navi33", "navi48"])
def test_copies_are_right_on_graphics_parts_too(gpu: str, newest: Root, virtual: Runner, built: Build) -> None:
    """Where SDMA packets and dispatches have other forms."""
    ran = virtual(newest, built(newest, "copies"), "4", gpu=gpu)
    assert (ran.code, ran.out.splitlines()[-2:]) == (0, ["wrong 0", "end"]), ran.err
    assert ran.recording.counters["packet:sdma-copy"]
    ran.clean()


def test_queues_depend_on_each_other_and_waits_end_when_they_should(
    pair: tuple[Root, str], virtual: Runner, built: Build
) -> None:
    root, gpu = pair
    ran = virtual(root, built(root, "queues"), gpu=gpu)
    assert ran.out.splitlines() == [
        "timed 1 after its time",
        "half 1",
        "both 0",
        "or before 1",
        "or after 0",
        "wrong 0, read 2402 and 1502",
        "end",
    ]
    assert ran.code == 0
    ran.clean()
    assert {event.attrs["queue_priority"] for event in ran.calls("CREATE_QUEUE")} == {7}
    updates = [event.attrs["queue_priority"] for event in ran.calls("UPDATE_QUEUE")]
    assert updates == [0, 7, HIGH[root.name]]
    created = {event.attrs["event_id"] for event in ran.calls("CREATE_EVENT")}
    interrupts = list(ran.recording.of(Kind.INTERRUPT))
    assert {event.attrs["qid"] for event in interrupts} == {1, 2}  # queue 0 is ROCr's own
    assert {event.attrs["event"] for event in interrupts} <= created
    timed_out = [event for event in ran.calls("WAIT_EVENTS") if event.attrs["wait_result"] == 1]
    assert timed_out


def test_stream_priorities_arrive_by_update(pair: tuple[Root, str], virtual: Runner, built: Build) -> None:
    root, gpu = pair
    ran = virtual(root, built(root, "streams"), "6", gpu=gpu)
    assert (ran.code, ran.out) == (0, "range 1 -1\nend\n"), ran.err
    ran.clean()
    creates, updates = ran.calls("CREATE_QUEUE"), ran.calls("UPDATE_QUEUE")
    assert len(creates) == 13  # 4 of each priority, however many streams, and ROCr's own
    assert Counter(event.attrs["queue_priority"] for event in creates) == {7: 13}
    assert Counter(event.attrs["queue_priority"] for event in updates) == {HIGH[root.name]: 4, 0: 4}
    # What a call changed stands right behind it.
    events = ran.recording.events
    for name, kind in (("CREATE_QUEUE", Kind.QUEUE_CREATE), ("UPDATE_QUEUE", Kind.QUEUE_UPDATE)):
        for index, event in enumerate(events):
            if event.attrs.get("name") == name:
                caused = list(takewhile(lambda one: one.kind is not Kind.IOCTL, events[index + 1 :]))
                assert [one.attrs["qid"] for one in caused if one.kind is kind] == [event.attrs["queue_id"]]
                assert any(one.kind is Kind.RUNLIST for one in caused)
    if gpu == "mi308x":
        sizes = {(event.attrs["ctx_save_restore_size"], event.attrs["ctl_stack_size"]) for event in creates}
        assert sizes == {(0xBA6000, 0x2000)}


def test_events_hold_streams_of_every_priority(pair: tuple[Root, str], virtual: Runner, built: Build) -> None:
    root, gpu = pair
    ran = virtual(root, built(root, "events"), gpu=gpu)
    assert (ran.code, ran.out) == (0, "wrong 0\nend\n"), ran.err
    ran.clean()
    updates = {event.attrs["queue_priority"] for event in ran.calls("UPDATE_QUEUE")}
    assert updates == {HIGH[root.name], 0}
    assert ran.recording.counters["packet:barrier-and"]
    # As seen: HIP 5.2 waits with barrier-and alone, 5.7.1 does so on gfx942 only, 6.4.3 nowhere.
    by_value = (root.name, gpu) in {("rocm-6.1", "mi210"), ("rocm-6.4", "mi210"), ("rocm-6.4", "mi308x")}
    assert bool(ran.recording.counters.get("packet:barrier-value")) == by_value
    assert ran.calls("WAIT_EVENTS")


def test_copies_are_right(pair: tuple[Root, str], virtual: Runner, built: Build) -> None:
    root, gpu = pair
    ran = virtual(root, built(root, "copies"), gpu=gpu)
    assert ran.code == 0, ran.out + ran.err
    assert ran.out.endswith("wrong 0\nend\n")
    ran.clean()
    kinds = ran.recording.counters
    assert kinds["packet:sdma-copy"]
    assert kinds["ioctl:SVM"]  # save areas and managed memory are the program's own
    assert {event.attrs["how"] for event in ran.recording.of(Kind.DISPATCH)} == {"carried-out"}


def test_rings_and_signals_may_lie_in_the_programs_own_memory(
    root: Root, virtual: Runner, built: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HSA_USERPTR_FOR_PAGED_MEM", "1")  # what it is unless the virtual GPU sets it
    for program, words in (("queues", ()), ("copies", ("1",))):
        ran = virtual(root, built(root, program), *words)
        assert ran.code == 0 and ran.out.endswith("end\n") and "wrong 0" in ran.out, ran.err
        ran.clean()
        rings = {event.attrs["ring_base_address"] for event in ran.calls("CREATE_QUEUE")}
        own = {event.attrs["va_addr"] for event in ran.calls("ALLOC_MEMORY_OF_GPU") if int(event.attrs["flags"]) & 4}
        assert rings & own


def test_the_runtimes_own_kernels_are_carried_out(root: Root, virtual: Runner, built: Build) -> None:
    ran = virtual(root, built(root, "blits"), gpu="mi210" if root is ROOTS[0] else "mi308x")
    assert (ran.code, ran.out) == (0, "wrong 0\nend\n"), ran.err
    ran.clean()
    kernels = {str(event.attrs["kernel"]).removeprefix("__amd_rocclr_") for event in ran.recording.of(Kind.DISPATCH)}
    assert kernels >= {
        "fillBufferAligned", "fillBufferAligned2D", "copyBufferRect", "copyBufferRectAligned", "streamOpsWait",
        "streamOpsWrite",
    }  # fmt: skip
    assert ("batchMemOp" in kernels) == (root is ROOTS[-1])


IMAGES = [*((*pair, int(pair[1] != "mi308x")) for pair in PAIRS), (ROOTS[-1], "navi31", 1), (ROOTS[-1], "navi48", 1)]
"""MI300 has no images, and its runtimes say so."""


@pytest.mark.parametrize(("root", "gpu", "has"), IMAGES, ids=lambda value: getattr(value, "name", str(value)))
def test_images_are_copied_where_the_device_has_them(
    root: Root, gpu: str, has: int, virtual: Runner, built: Build
) -> None:
    root = fetched(root)
    ran = virtual(root, built(root, "images"), gpu=gpu)
    newest = root is ROOTS[-1]
    # Before HIP 6 an array of lines can be made and not be copied.
    refused = 36 if not has else 0 if newest else 6
    assert (ran.code, ran.out) == (0, f"images {has}\nunsupported {refused}, wrong 0\nend\n"), ran.err
    ran.clean()
    kernels = {str(event.attrs["kernel"]).removeprefix("__amd_rocclr_") for event in ran.recording.of(Kind.DISPATCH)}
    wanted = {"copyBufferToImage", "copyImageToBuffer", "copyImage"} | ({"copyImage1DA"} if newest else set())
    assert kernels >= wanted if has else not kernels


def test_memory_is_shared_between_processes(pair: tuple[Root, str], virtual: Runner, built: Build) -> None:
    root, gpu = pair
    ran = virtual(root, built(root, "ipc"), gpu=gpu)
    assert (ran.code, ran.out) == (0, "child 0, parent good\n"), ran.err
    ran.clean()
    assert len(list(ran.recording.of(Kind.PROCESS_EXIT))) == 2


def test_advice_on_managed_memory_is_kept(pair: tuple[Root, str], virtual: Runner, built: Build) -> None:
    root, gpu = pair
    ran = virtual(root, built(root, "managed"), gpu=gpu)
    # A location is a device's number, -1 the host, -2 none or not everywhere the same.
    assert ran.out.splitlines() == [
        "new: read mostly 0, preferred -2, prefetched -2, accessed by -2",
        "first: read mostly 1, preferred 0, prefetched 0, accessed by 0",
        "second: read mostly 1, preferred -2, prefetched 0, accessed by 0",
        "third: read mostly 0, preferred -2, prefetched -2, accessed by -2",
        "all: read mostly 0, preferred -2, prefetched -2, accessed by -2",
        "again: read mostly 0, preferred 0, prefetched -1, accessed by 0",
        "end",
    ], ran.err
    ran.clean()


def test_cu_masks_reach_the_driver(pair: tuple[Root, str], virtual: Runner, built: Build) -> None:
    root, gpu = pair
    ran = virtual(root, built(root, "masks"), gpu=gpu)
    assert ran.code == 0, ran.err
    masks = [str(event.attrs["mask"]) for event in ran.recording.of(Kind.CU_MASK)]
    assert [int(mask, 16) & 0xFFFFFFFF for mask in masks[:3]] == [0x1, 0xFF, 0xFFFFFFFF]
    ran.clean()


def test_a_kernel_of_the_program_is_refused_by_name(root: Root, virtual: Runner, built: Build) -> None:
    ran = virtual(root, built(root, "kernel"))
    assert ran.code != 0
    assert "kernel double_all cannot be computed here; --kernels time" in ran.err
    assert "1 queue stopped by a fault" in ran.err
    assert "HSA_STATUS_ERROR_INVALID_CODE_OBJECT" in ran.err


def test_a_kernel_takes_its_time_when_asked(pair: tuple[Root, str], virtual: Runner, built: Build) -> None:
    root, gpu = pair
    ran = virtual(root, built(root, "kernel"), "3", gpu=gpu, options=("--kernels", "time"))
    assert (ran.code, ran.out) == (0, "launched 3, elapsed positive\nend\n"), ran.err
    assert "3 kernels ran without computing" in ran.err
    timed = [event for event in ran.recording.of(Kind.DISPATCH) if event.attrs["how"] == "timed"]
    assert [event.attrs["kernel"] for event in timed] == ["double_all"] * 3
