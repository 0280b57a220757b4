"""AMD_LOG_LEVEL logs: a real one and each dialect, by value."""

import io
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringscope.errors import InputError
from ringscope.evidence import amd_log
from ringscope.evidence.amd_log import read
from ringscope.recording import Clock, Event, Kind, Recording


def lines_of(*messages: tuple[int, str], stamp: str = "") -> bytes:
    return "".join(
        f":3:rocdevice.cpp            :42  : {us:010d} us: {stamp} {text}\n" for us, text in messages
    ).encode()


def recording(text: bytes | str) -> Recording:
    return read(io.BytesIO(text.encode() if isinstance(text, str) else text), "log")


def attrs(found: Recording, kind: Kind) -> list[dict[str, int | str]]:
    return [dict(event.attrs) for event in found.of(kind)]


# --- the real log ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real(shared: Path) -> Recording:
    return read(shared / "mi308x" / "amd-log-level-3.log", "amd.log")


RINGS = [0x7F3660C00000, 0x7F1654E00000, 0x7F1654200000, 0x7F1649800000]


def test_real_log_maps_16_streams_to_4_queues_in_this_order(real: Recording) -> None:
    streams = list(real.of(Kind.STREAM_CREATE))
    assert [RINGS.index(int(event.attrs["ring_base"])) for event in streams] == [
        *(0, 1, 2, 3),
        *(3, 2, 1, 0),
        *(3, 2, 1, 0),
        *(3, 2, 1, 0),
    ]
    assert len({event.attrs["stream"] for event in streams}) == 16
    assert streams[0].attrs["stream"] == 0xEF26C0
    assert streams[0].source.line == 45
    assert {event.attrs["priority"] for event in streams} == {1}
    assert [int(event.attrs["duration_ns"]) // 1000 for event in streams][:4] == [123874, 5245, 5024, 5080]
    assert all(602 <= int(event.attrs["duration_ns"]) // 1000 <= 626 for event in streams[4:])


def test_real_log_says_how_the_queues_lived(real: Recording) -> None:
    created = list(real.of(Kind.QUEUE_CREATE))
    assert [event.attrs["ring_base"] for event in created] == RINGS
    assert [int(event.attrs["duration_ns"]) // 1000 for event in created] == [9177, 4634, 4546, 4501]
    assert {(e.attrs["packets"], e.attrs["priority"], e.attrs["cooperative"]) for e in created} == {(16384, 1, 0)}
    assert created[0].attrs["hsa_queue"] == 0x7F36633CA000
    acquired = attrs(real, Kind.QUEUE_ACQUIRE)
    assert [entry["reused"] for entry in acquired] == [0] * 4 + [1] * 12
    assert max(int(entry["refs"]) for entry in acquired) == 4
    assert len(attrs(real, Kind.QUEUE_RELEASE)) == len(attrs(real, Kind.STREAM_DESTROY)) == 16
    assert [entry["ring_base"] for entry in attrs(real, Kind.QUEUE_DESTROY)] == RINGS[::-1]
    assert attrs(real, Kind.POOL_COUNTS)[4] == {"low": 0, "normal": 4, "high": 0, "maximum": 4}


def test_real_log_counts_and_facts(real: Recording) -> None:
    assert real.counters == {"lines": 1342, "stamped_lines": 1290, "launches": 96, "launch_errors": 0}
    facts = real.facts
    assert (facts["hip"], facts["rocm"], facts["gfx"]) == ("7.0.51831", "7.0.2", "gfx942")
    assert facts["gpu_max_hw_queues"] == 4
    assert "pid" not in facts  # "Process ID: 85406" is the program's word, not the log's
    assert (facts["first_time_ns"], facts["last_time_ns"]) == (6306213494000, 6306374751000)
    assert [facts[f"launch_{which}_ns"] for which in ("first", "min", "median")] == [393000, 7000, 9000]
    assert facts["stream_create_first_ns"] == facts["stream_create_max_ns"] == 123874000
    assert real.notes == ()
    assert {event.clock for event in real.events} == {Clock.MONOTONIC}


@pytest.mark.parametrize("size", [1 << 10, 4099, 1 << 16, 1 << 20])
def test_block_boundaries_change_nothing_in_the_real_log(shared: Path, real: Recording, size: int) -> None:
    assert read(shared / "mi308x" / "amd-log-level-3.log", "amd.log", size) == real


# --- dialects ----------------------------------------------------------------------------------------------------


def test_old_dialect_names_queues_by_hsa_queue_and_says_so() -> None:
    found = recording(
        lines_of(
            (100, " \x1b[32mhipStreamCreateWithPriority ( 0x7fbbb5801fe0, 1, -1 ) \x1b[0m"),
            (
                110,
                "number of allocated hardware queues with low priority: 0, with normal priority: 1, "
                "with high priority: 0, maximum per priority is: 4",
            ),
            (1110, "created hardware queue 0x7fbd11443000 with size 16384 with priority 2, cooperative: 0"),
            (1115, "acquireQueue refCount: 0x7fbd11443000 (1)"),
            (1200, "hipStreamCreateWithPriority: Returned hipSuccess : stream:0x7fb,bb5,821,380"),
            (1210, "selected queue refCount: 0x7fbd11443000 (2)"),
            (1220, "Deleting hardware queue 0x7fbd11443000 with refCount 0"),
            stamp="1255284: [tid:0x7fcc46391bc0]",
        )
    )
    assert attrs(found, Kind.QUEUE_CREATE) == [
        {"hsa_queue": 0x7FBD11443000, "packets": 16384, "priority": 2, "cooperative": 0, "duration_ns": 1_000_000}
    ]
    assert attrs(found, Kind.QUEUE_ACQUIRE) == [
        {"hsa_queue": 0x7FBD11443000, "refs": 1, "reused": 0},
        {"hsa_queue": 0x7FBD11443000, "refs": 2, "reused": 1},
    ]
    assert attrs(found, Kind.STREAM_CREATE) == [
        {"stream": 0x7FBBB5821380, "priority": 2, "hsa_queue": 0x7FBD11443000, "duration_ns": 1_100_000}
    ]
    assert attrs(found, Kind.QUEUE_DESTROY) == [{"hsa_queue": 0x7FBD11443000}]
    assert {event.pid for event in found.events} == {1255284}
    assert found.facts["pid"] == 1255284
    assert "ROCm 6.1 or older" in found.notes[0]


def test_oldest_dialect_prints_the_count_before_it_raises_it() -> None:
    found = recording(
        lines_of(
            (1, "selected queue with least refCount: 0x1000 (1)"), (2, "created hardware queue 0x2000 with size 64")
        )
    )
    assert attrs(found, Kind.QUEUE_ACQUIRE) == [{"hsa_queue": 0x1000, "refs": 2, "reused": 1}]
    assert attrs(found, Kind.QUEUE_CREATE) == [{"hsa_queue": 0x2000, "packets": 64}]


def test_a_queue_whose_deletion_is_said_twice_is_deleted_once() -> None:
    gone = "deleting hardware queue 0x2000 with refCount 0"
    made = "created hardware queue 0x2000 with size 64"
    found = recording(lines_of((1, made), (2, gone), (3, gone), (4, made), (5, gone)))
    assert [(event.kind, event.time_ns) for event in found.events] == [
        (Kind.QUEUE_CREATE, 1000),
        (Kind.QUEUE_DESTROY, 2000),
        (Kind.QUEUE_CREATE, 4000),
        (Kind.QUEUE_DESTROY, 5000),
    ]


def test_a_creation_whose_call_is_not_in_the_log_still_has_its_queue() -> None:
    _, acquired, returned = create(0, "[pid:7 tid: 0xaa]", 0x1000, 0xA)
    assert attrs(recording(acquired + returned + returned), Kind.STREAM_CREATE) == [
        {"stream": 0xA, "ring_base": 0x1000},
        {"stream": 0xA},
    ]


def test_newest_dialect_selects_by_load_and_may_create_a_stream_without_a_queue() -> None:
    found = recording(
        lines_of(
            (1, "hipStreamCreate ( 0x10 )"),
            (2, "hipStreamCreate: Returned hipSuccess : stream:0xabc"),
            (3, "Selected queue (mode=2): 0x7f00 refCount: 3, depth: 12, metric: 195, pipe: 1 (forced)"),
            (4, "Reusing preferred queue: 0x7f00 refCount: 4"),
            (5, "acquireQueue refCount: 0x7f80 (1) (dedicated)"),
            stamp="[pid:7 tid: 0x0a1b2]",
        )
    )
    assert attrs(found, Kind.STREAM_CREATE) == [{"stream": 0xABC, "priority": 1, "duration_ns": 1000}]
    assert [(e["ring_base"], e["refs"], e["reused"]) for e in attrs(found, Kind.QUEUE_ACQUIRE)] == [
        (0x7F00, 3, 1),
        (0x7F00, 4, 1),
        (0x7F80, 1, 0),
    ]


def test_cu_mask_stream_is_given_the_queue_just_created() -> None:
    found = recording(
        lines_of(
            (1, "hipExtStreamCreateWithCUMask ( 0x10, 2, 0x20 )"),
            (2, "Created SWq=0x5000 to map on HWq=0x6000 with size 16384 with priority 1, cooperative: 0"),
            (3, "Setting CU mask 0x00000000ffffffff for hardware queue 0x6000"),
            (4, "hipExtStreamCreateWithCUMask: Returned hipSuccess : stream:0xabc"),
            (5, "Deleting CG enabled hardware queue 0x6000 "),
        )
    )
    assert attrs(found, Kind.STREAM_CREATE)[0]["ring_base"] == 0x6000
    assert attrs(found, Kind.CU_MASK) == [{"ring_base": 0x6000, "mask": "0x00000000ffffffff"}]
    assert attrs(found, Kind.QUEUE_DESTROY) == [{"ring_base": 0x6000}]


@pytest.mark.parametrize(
    ("hip", "hsa"), [("-1", 2), ("-7", 2), ("0", 1), ("1", 0), ("9", 0), ("zero", 1), ("99999999999", 1)]
)
def test_priority_is_the_pool_that_a_stream_draws_from(hip: str, hsa: int) -> None:
    found = recording(
        lines_of(
            (1, f"hipStreamCreateWithPriority ( 0x10, 0, {hip} )"),
            (2, "hipStreamCreateWithPriority: Returned hipSuccess : stream:0x1"),
        )
    )
    assert attrs(found, Kind.STREAM_CREATE)[0]["priority"] == hsa


# --- threads, torn lines, noise ------------------------------------------------------------------------------------


def create(us: int, stamp: str, ring: int, stream: int) -> list[bytes]:
    return [
        lines_of((us, "hipStreamCreate ( 0x10 )"), stamp=stamp),
        lines_of((us + 1, f"Selected queue refCount: {ring:#x} (2)"), stamp=stamp),
        lines_of((us + 2, f"hipStreamCreate: Returned hipSuccess : stream:{stream:#x}"), stamp=stamp),
    ]


@given(st.data())
def test_interleaved_threads_keep_their_own_queues(data: st.DataObject) -> None:
    stamps = [f"[pid:{pid} tid: 0x{tid}]" for pid in (7, 8) for tid in ("aa", "bb")]
    threads = [create(10 * i, stamp, 0x1000 * (i + 1), 0xA0 + i) for i, stamp in enumerate(stamps)]
    merged = b""
    while any(threads):
        merged += data.draw(st.sampled_from([thread for thread in threads if thread])).pop(0)
    found = recording(merged)
    assert {(e.pid, e.attrs["stream"], e.attrs["ring_base"]) for e in found.of(Kind.STREAM_CREATE)} == {
        (7, 0xA0, 0x1000),
        (7, 0xA1, 0x2000),
        (8, 0xA2, 0x3000),
        (8, 0xA3, 0x4000),
    }
    assert found.notes == ("lines of 2 processes are mixed in this log",)
    assert "pid" not in found.facts


def test_creations_at_once_without_thread_ids_are_given_no_queue() -> None:
    one, two = create(0, "", 0x1000, 0xA), create(5, "", 0x2000, 0xB)
    found = recording(b"".join([one[0], two[0], *one[1:], *two[1:], *create(20, "", 0x3000, 0xC)]))
    assert [event.attrs.get("ring_base") for event in found.of(Kind.STREAM_CREATE)] == [None, None, 0x3000]
    assert found.notes[0].startswith("2 streams were created by several threads at once")
    assert "AMD_LOG_LEVEL=4 names the threads" in found.notes[0]


def test_another_threads_queue_amid_a_creation_is_noticed_without_thread_ids() -> None:
    call, acquired, returned = create(0, "", 0x1000, 0xA)
    other = lines_of((1, "Selected queue refCount: 0x2000 (3)"))
    assert "ring_base" not in attrs(recording(call + other + acquired + returned), Kind.STREAM_CREATE)[0]
    stamp = "[pid:7 tid: 0xaa]"
    call, acquired, returned = create(0, stamp, 0x1000, 0xA)
    other = lines_of((1, "Selected queue refCount: 0x2000 (3)"), stamp=stamp.replace("aa", "bb"))
    assert attrs(recording(call + acquired + other + returned), Kind.STREAM_CREATE)[0]["ring_base"] == 0x1000


def test_a_new_process_in_the_same_file_starts_afresh() -> None:
    begun = lines_of((1, "hipStreamCreate ( 0x10 )"))
    version = lines_of((2, "HIP Version: 6.4.43482-0f2d60242, Direct Dispatch: 1"))
    found = recording(begun + version + b"".join(create(3, "", 0x1000, 0xA)))
    assert attrs(found, Kind.STREAM_CREATE)[0]["ring_base"] == 0x1000
    assert found.facts["hip"] == "6.4.43482"
    one, two = "[pid:7 tid: 0xaa]", "[pid:8 tid: 0xaa]"
    call, *rest = create(0, one, 0x1000, 0xA)
    found = recording(call + lines_of((1, "Direct Dispatch: 1"), stamp=two) + b"".join(rest))
    assert attrs(found, Kind.STREAM_CREATE)[0]["priority"] == 1  # the other process is not at its beginning


def test_a_failed_creation_is_no_stream() -> None:
    found = recording(
        lines_of((1, "hipStreamCreate ( 0x10 )"), (2, "hipStreamCreate: Returned hipErrorOutOfMemory : "))
    )
    assert found.events == ()


def test_torn_and_prefixed_lines_and_carriage_returns_are_read() -> None:
    text = b"".join(create(0, "", 0x1000, 0xA))
    plain = recording(text)
    assert [e.attrs for e in recording(text.replace(b"\n", b"\r\n")).events] == [e.attrs for e in plain.events]
    assert [e.attrs for e in recording(text.replace(b":3:", b"progress 50%:3:")).events] == [
        e.attrs for e in plain.events
    ]
    one_line = recording(text.replace(b"\n", b""))
    assert [(e.time_ns, e.attrs) for e in one_line.events] == [(e.time_ns, e.attrs) for e in plain.events]
    assert recording(b"".join(b"[rank0]: " + line for line in text.splitlines(keepends=True))).counters["lines"] == 3


def test_older_time_and_thread_spellings() -> None:
    found = recording(
        ":3:rocdevice.cpp :807 : 7270505882d us: [pid:21983 tid: 7f316f4006c0] acquireQueue refCount: 0x7f80 (1)\n"
        ":3:rocdevice.cpp :807 : 0305305871 us: [pid:3158  tid:0x7fbbb6579680] acquireQueue refCount: 0x7f80 (1)\n"
    )
    assert [(e.time_ns, e.pid) for e in found.events] == [(7270505882000, 21983), (305305871000, 3158)]


# --- packets -----------------------------------------------------------------------------------------------------


def packet(us: int, ring: int, what: str, queue: str = "SWq=0x5000, ") -> bytes:
    return (
        f":4:rocvirtual.cpp           :1076: {us} us: [pid:7 tid: 0xaa] {queue}HWq={ring:#x}, id=1, {what} Header = "
        "0xb02 (type=2, barrier=1, acquire=1, release=1), setup=3, rptr=1, wptr=2\n"
    ).encode()


def test_packets_are_counted_per_ring_with_their_first_and_last_time() -> None:
    found = recording(
        packet(10, 0x7F00, "Dispatch")
        + packet(20, 0x7F80, "Dispatch")
        + packet(30, 0x7F00, "BarrierAND")
        + packet(40, 0x7F00, "Dispatch", queue="")
        + lines_of((50, "Created SWq=0x5000 to map on HWq=0x7fff with size 64 with priority 1, cooperative: 0"))
    )
    assert found.counters == {
        "lines": 5,
        "stamped_lines": 5,
        "dispatches": 3,
        "dispatches:0x7f00": 2,
        "dispatches:0x7f80": 1,
        "barriers": 1,
        "barriers:0x7f00": 1,
    }
    assert (found.facts["first_packet_ns:0x7f00"], found.facts["last_packet_ns:0x7f00"]) == (10_000, 40_000)
    assert (found.facts["first_packet_ns:0x7f80"], found.facts["last_packet_ns:0x7f80"]) == (20_000, 20_000)


def test_launches_are_counted_and_timed_where_the_log_says() -> None:
    found = recording(
        lines_of(
            (1, "hipLaunchKernel: Returned hipSuccess : : duration: 40 us"),
            (2, "hipModuleLaunchKernel: Returned hipSuccess : "),
            (3, "hipLaunchKernel: Returned hipErrorIllegalState : : duration: 10 us"),
            (4, "hipExtModuleLaunchKernel: Returned hipSuccess : : duration: 20 us"),
        )
    )
    assert found.counters["launches"] == 4
    assert found.counters["launch_errors"] == 1
    assert {key: value for key, value in found.facts.items() if key.startswith("launch")} == {
        "launch_first_ns": 40_000,
        "launch_min_ns": 10_000,
        "launch_median_ns": 20_000,
        "launch_max_ns": 40_000,
    }


def test_every_rule_is_found_by_an_anchor() -> None:
    for word, _, _ in amd_log._RULES:
        assert any(anchor.search(word) for anchor in (*amd_log._ANCHORS, *amd_log._ONCE.values())), word


# --- bounds and bad input ------------------------------------------------------------------------------------------


def test_events_of_a_kind_are_kept_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(amd_log, "KEPT_PER_KIND", 3)
    found = recording(
        lines_of(*((us, "acquireQueue refCount: 0x7f80 (1)") for us in range(10)))
        + lines_of((11, "hipStreamDestroy ( stream:0x1 )"))
    )
    assert [event.kind for event in found.events] == [Kind.QUEUE_ACQUIRE] * 3 + [Kind.STREAM_DESTROY]
    assert found.notes == ("10 queue-acquire events: the first 3 are kept",)


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(amd_log, "REMEMBERED", 2)
    found = recording(
        b"".join(packet(us, 0x1000 * (us + 1), "Dispatch") for us in range(5))
        + b"".join(lines_of((us, f"hipLaunchKernel: Returned hipSuccess : : duration: {us} us")) for us in range(9))
        + b"".join(lines_of((9, "hipStreamCreate ( 0x10 )"), stamp=f"[pid:7 tid: 0x{tid}]") for tid in range(5))
    )
    assert found.counters["dispatches"] == 2
    assert "not counted" in found.notes[-1]


@pytest.mark.parametrize("text", [b"", b"\n", b"hello\n", bytes(range(256)), b":3:x.cpp :1 : us: no\n"])
def test_a_text_without_a_stamp_is_refused_in_one_line(text: bytes) -> None:
    with pytest.raises(InputError, match=r"^log: no AMD_LOG_LEVEL line in it; run the program with AMD_LOG_LEVEL=3"):
        recording(text)


SEED = b"".join(
    [
        lines_of((1, "HIP Version: 7.0.51831.7c9236b16, Direct Dispatch: 1"), (2, "Gfx Major/Minor/Stepping: 9/0/10")),
        *create(3, "[pid:7 tid: 0xaa]", 0x1000, 0xA),
        packet(20, 0x7F00, "Dispatch"),
        lines_of((30, "hipLaunchKernel: Returned hipSuccess : : duration: 40 us")),
        lines_of((40, "number of allocated hardware queues with low priority: 1, with normal priority: 2, ")),
        lines_of((50, "Setting CU mask 0xff for hardware queue 0x6000")),
    ]
)


def test_gfx_name_is_hexadecimal() -> None:
    assert recording(SEED).facts["gfx"] == "gfx90a"


@given(st.integers(0, 2**32))
@settings(max_examples=150)
def test_flipped_cut_and_doubled_bytes_never_end_in_a_traceback(seed: int) -> None:
    rng = random.Random(seed)
    text = bytearray(SEED)
    for _ in range(rng.randrange(1, 12)):
        text[rng.randrange(len(text))] = rng.choice(b"\n\r :0x9f()[],-\0\xff\x1b")
    start = rng.randrange(len(text))
    text[start:start] = text[rng.randrange(len(text)) :][: rng.randrange(200)]
    del text[rng.randrange(1, len(text)) :]
    size = rng.choice([16, 100, 1 << 20])
    try:
        found = read(io.BytesIO(bytes(text)), "log", size)
    except InputError as error:
        assert "\n" not in str(error)
    else:
        assert all(isinstance(event, Event) for event in found.events)
        assert found == read(io.BytesIO(bytes(text)), "log")


@given(st.lists(st.sampled_from(SEED.splitlines(keepends=True)), max_size=30), st.integers(1, 1 << 12))
def test_block_boundaries_change_nothing(chosen: list[bytes], size: int) -> None:
    text = SEED + b"".join(chosen)
    assert read(io.BytesIO(text), "log", size) == recording(text)


def test_whose_lines_they_are_does_not_depend_on_where_blocks_end() -> None:
    """Found by fuzzing: a fact's line counted as a line of its process only while the fact was not known."""
    facts = "HIP Library Path: /opt/rocm-6.2.1/lib/libamdhip64.so.6"
    text = lines_of((1, facts), (2, facts), stamp="[pid:7 tid: 0x7]")
    assert "pid" not in recording(text).facts
    assert read(io.BytesIO(text), "log") == read(io.BytesIO(text), "log", 64)
