"""Formats that grow: what a reader does not know is kept, told with its place and counted; nothing is lost by it."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from dumps import device, hiq, mqd, process, queue, rows, sdma, slot

from ringscope.cli import main
from ringscope.errors import InputError
from ringscope.evidence import amd_log, drift, kernel_text, recorded, rocpd, rocprof_v1, rocprofv3
from ringscope.evidence.collect import Capture, collect
from ringscope.evidence.drift import READERS, SHAPES_LIMIT, Drift, Unknown, formats, told
from ringscope.evidence.sniff import FileKind
from ringscope.recording import Kind, Recording, Source


def captured(folder: Path, files: dict[str, str]) -> Capture:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return collect([folder])


def found(capture: Capture) -> list[tuple[str, str, str, int]]:
    return [(row.what, row.text, str(row.source), row.count) for row in capture.unknown]


# --- what is told --------------------------------------------------------------------------------------------------


def test_alike_but_for_its_numbers_is_counted_as_one() -> None:
    seen = Drift()
    for number in range(3):
        seen.add("line", f"  Gang {number} of 0x{number:08x}", Source("mqds", number))
    seen.add("line", "Gang of four", Source("mqds", 9))
    assert [(row.text, row.source.line, row.count) for row in seen.found()] == [
        ("Gang 0 of 0x00000000", 0, 3),
        ("Gang of four", 9, 1),
    ]


def test_what_is_told_is_bounded_and_printable() -> None:
    seen = Drift()
    for number in range(SHAPES_LIMIT + 5):
        seen.add("line", f"{'g' * (number + 1)} \x1b[2J" + "x" * 999, Source("log", number))
    told_of = seen.found()
    assert len(told_of) == SHAPES_LIMIT + 1
    assert (told_of[-1].what, told_of[-1].count) == ("thing", 5)
    assert all(row.text.isprintable() and len(row.text) <= 4 * drift.TEXT_CHARS for row in told_of)


def test_one_sentence_for_all() -> None:
    assert told(()) is None
    line = told((Unknown("line", "a", Source("mqds", 3), 2), Unknown("column", "b", Source("c.csv", 1))))
    assert line is not None
    assert "2 lines, 1 column (first mqds:3: 'a')" in line


def test_every_reader_says_what_it_was_held_against() -> None:
    held = formats()
    assert set(held) == set(READERS)
    assert all(what.versions and what.by for what in held.values())
    modules = {"proc": "kfd_proc", "rocprofv3-csv": "rocprofv3", "rocprofv3-json": "rocprofv3", "recording": "recorded"}
    modules |= {f"rocprof-v1-{form}": "rocprof_v1" for form in ("csv", "json", "db")}
    unread = {"rocminfo"}
    for kind in FileKind:
        assert modules.get(kind.value, kind.value.replace("-", "_")) in held or kind.value in unread


# --- debugfs -------------------------------------------------------------------------------------------------------


def test_lines_and_dwords_in_mqds(tmp_path: Path) -> None:
    image = [*mqd(), *[7] * 8]
    text = (
        "Process 7 PASID 32769 (app):\n"
        "  Compute queue on device f7bc, gang 3\n    Queue id 5\n" + rows(image)
        + "  Compute queue on device f7bc, gang 4\n    Queue id 6\n" + rows(image)
        + "  User queue on device f7bc\n" + rows([1] * 16)
    )  # fmt: skip
    capture = captured(tmp_path, {"mqds": text, "topology/nodes/2/gpu_id": "63420\n",
                                  "topology/nodes/2/properties": "gfx_target_version 90402\n"})  # fmt: skip
    (snapshot,) = capture.snapshots
    assert [q.mqds[0].image.get("cp_hqd_vmid") for _, q in snapshot.queues] == [0, 0]
    assert len(snapshot.queues[0][1].mqds[0].image.data) == 520 * 4
    assert found(capture) == [
        ("field", "(app)", "mqds:1", 1),
        ("field", ", gang 3", "mqds:2", 2),
        ("line", "Queue id 5", "mqds:3", 2),
        ("register", "behind the 512 dwords of an MQD: " + " ".join(["00000007"] * 8), "mqds:4", 2),
        ("line", "User queue on device f7bc and 2 rows", f"mqds:{1 + 2 * 67 + 1}", 1),
    ]


def test_a_line_that_is_cut_is_not_taken_for_a_new_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="mqds:67: not an MQD dump before '  Compute que'"):
        captured(tmp_path, {"mqds": process(7, queue(0xF7BC, mqd())) + "  Compute que"})


def test_registers_and_lines_in_hqds(tmp_path: Path) -> None:
    more = [0] * 60
    text = "Node 2, gpu_id f7bc, bus 3:\n  Scheduler: HWS\n"
    text += hiq(0).replace("Queue 0\n", "Queue 0, on\n") + rows([9] * 4, 0xC9F4)
    text += "".join(slot(0, pipe, 2, more) for pipe in range(4))
    text += "".join(sdma(0, rlc, ((0x4E40, 19), (0x4EE0, 26))) for rlc in range(2)) + "  Doorbell BAR: 8192\n"
    capture = captured(tmp_path, {"hqds": text, "topology/nodes/2/gpu_id": "63420\n",
                                  "topology/nodes/2/properties": "gfx_target_version 90402\n"})  # fmt: skip
    (dump,) = capture.snapshots[0].devices
    assert (len(dump.hqds), len(dump.hiqs), len(dump.sdma)) == (4, 1, 2)
    assert len(dump.hqds[0].image.data) == 56 * 4
    assert found(capture) == [
        ("field", ", bus 3", "hqds:1", 1),
        ("line", "Scheduler: HWS", "hqds:2", 1),
        ("field", ", on", "hqds:3", 1),
        ("register", "behind the 56 registers of a slot: 00000009 00000009 00000009 00000009", "hqds:3", 5),
        ("register", "an SDMA queue of 45 registers", "hqds:48", 2),
        ("line", "Doorbell BAR: 8192", "hqds:64", 1),
    ]


def test_more_registers_in_one_slot_only_are_damage(tmp_path: Path) -> None:
    text = "Node 2, gpu_id f7bc:\n" + hiq(0) + slot(0, 0, 2, [0] * 60) + slot(0, 1, 2)
    with pytest.raises(InputError, match="the slots of node 2 have unequal numbers of registers"):
        captured(tmp_path, {"hqds": text})


def test_lines_and_packets_in_rls(tmp_path: Path) -> None:
    unknown = [0xC001F900, 1, 2]  # a type-3 packet of an opcode that no table has
    text = "Node 2, gpu_id f7bc:\n  Sent at 12 s\n" + rows(unknown, indent="  ") + "  Retired: 3\n"
    text += "Node 3, gpu_id f05b:\n  Sent at 13 s\n  No active runlist\n"
    topology = {f"topology/nodes/{n}/properties": "gfx_target_version 90402\n" for n in (2, 3)}
    topology |= {"topology/nodes/2/gpu_id": "63420\n", "topology/nodes/3/gpu_id": "61531\n"}
    capture = captured(tmp_path, {"rls": text} | topology)
    first, second = (device.runlist for device in capture.snapshots[0].devices)
    assert first and second and first.packets[0].image.words == tuple(unknown) and not second.words
    assert found(capture) == [
        ("line", "Sent at 12 s", "rls:2", 2),
        ("line", "Retired: 3", "rls:4", 1),
        ("packet", "PM4 0xf9 of 3 dwords", "rls:3", 1),
    ]


# --- sysfs ---------------------------------------------------------------------------------------------------------


def test_new_properties_files_and_queue_types(tmp_path: Path) -> None:
    capture = captured(
        tmp_path,
        {
            "topology/nodes/2/gpu_id": "63420\n",
            "topology/nodes/2/properties": "gfx_target_version 90402\ncwsr_size 12222464\nstate running\n",
            "topology/nodes/2/power": "3\n",
            "proc/7/pasid": "0\n",
            "proc/7/context_63420": "12\n",
            "proc/7/queues/0/gpuid": "63420",
            "proc/7/queues/0/type": "0",
            "proc/7/queues/0/priority": "7",
            "proc/7/queues/1/gpuid": "63420",
            "proc/7/queues/1/type": "9",
            "elsewhere/7/context_63420": "12\n",
        },
    )
    (snapshot,) = capture.snapshots
    assert snapshot.devices[0].properties["cwsr_size"] == 12222464
    assert [q.qid for _, q in snapshot.queues] == [0]
    assert snapshot.processes[0].usage["queues/1/type"] == 9
    assert found(capture) == [
        ("property", "cwsr_size 12222464", "topology/nodes/2/properties:2", 1),
        ("property", "state running", "topology/nodes/2/properties:3", 1),
        ("file", "context_63420: 12", "proc/7/context_63420:1", 1),
        ("file", "priority: 7", "proc/7/queues/0/priority:1", 1),
        ("file", "power: 3", "topology/nodes/2/power:1", 1),
        ("value", "queue type 9", "proc/7/queues/1/type:1", 1),
    ]
    assert capture.unread == (("elsewhere/7/context_63420", "not a kind of file that ringscope knows"),)


# --- logs ----------------------------------------------------------------------------------------------------------


def recording(reader: object, content: bytes) -> tuple[Recording, list[tuple[str, str, int, int]]]:
    seen = Drift()
    read = reader.read(io.BytesIO(content), "f", drift=seen)  # type: ignore[attr-defined]
    return read, [(row.what, row.text, row.source.line, row.count) for row in seen.found()]


def test_new_phrases_in_the_kernel_log() -> None:
    read, unknown = recording(
        kernel_text,
        b"[    1.000000] amdgpu: Evicting process pid 7 queues\n"
        b"[    2.000000] amdgpu 0000:03:00.0: amdgpu: queue 7 was parked by the scheduler\n"
        b"[    3.000000] amdgpu 0000:03:00.0: amdgpu: queue 8 was parked by the scheduler\n",
    )
    assert [event.kind for event in read.events] == [Kind.QUEUE_EVICT, *[Kind.KERNEL_MESSAGE] * 2]
    assert str(read.events[1].attrs["text"]).endswith("queue 7 was parked by the scheduler")
    assert read.counters["unknown_lines"] == 2
    assert [(what, line, count) for what, _, line, count in unknown] == [("line", 2, 2)]


def test_new_words_in_a_trace_line() -> None:
    line = b"app-7 [001] ..... 1.000000: f: [KFD-TRACE] UPDATE_QUEUE: pid=7 queue_id=3 gang=5\n"
    read, unknown = recording(kernel_text, line)
    (event,) = read.of(Kind.QUEUE_UPDATE)
    assert event.attrs["gang"] == 5
    assert unknown == [("field", "gang", 1, 1)]


def test_new_phrases_in_a_runtime_log() -> None:
    stamp = b":3:rocdevice.cpp            :42  : 0000000007 us: "
    read, unknown = recording(
        amd_log,
        stamp + b"hipEventCreate ( 0x1 )\n"
        + stamp + b"Created SWq=0x7f00 to map on HWq=0x7f10 with size 16384 with priority 1, cooperative: 0\n"
        + stamp + b"Migrated hardware queue 0x7f10 to pipe 2\n"
        + stamp + b"Migrated hardware queue 0x7f20 to pipe 3\n",
    )  # fmt: skip
    assert len(list(read.of(Kind.QUEUE_CREATE))) == 1
    assert unknown == [("line", "Migrated hardware queue 0x7f10 to pipe 2", 3, 2)]


# --- profiles ------------------------------------------------------------------------------------------------------


def test_new_columns_in_a_kernel_trace() -> None:
    csv = b'"Kind","Queue_Id","Kernel_Name","Start_Timestamp","End_Timestamp","Pipe_Id","Kernel"\nK,1,"f",10,20,3,x\n'
    read, unknown = recording(rocprofv3, csv)
    (event,) = read.of(Kind.DISPATCH)
    assert event.attrs["unknown:pipe_id"] == 3
    assert event.attrs["kernel"] == "f"
    assert unknown == [("column", "pipe_id", 1, 1), ("column", "kernel", 1, 1)]


def test_new_keys_and_records_in_a_results_file() -> None:
    dispatch = {"start_timestamp": 1, "end_timestamp": 2, "dispatch_info": {"queue_id": {"handle": 1}, "pipe": 2}}
    run = {"buffer_records": {"kernel_dispatch": [dispatch | {"gang": 4}] * 2, "queue_event": [{}, {}]}}
    read, unknown = recording(rocprofv3, json.dumps({"rocprofiler-sdk-tool": [run]}).encode())
    assert [(e.attrs["unknown:gang"], e.attrs["unknown:pipe"]) for e in read.of(Kind.DISPATCH)] == [(4, 2), (4, 2)]
    assert unknown == [("record", "queue_event", 0, 2), ("key", "gang", 0, 2), ("key", "pipe", 0, 2)]


@pytest.mark.parametrize("schema", ["rocpd", "v1"])
def test_new_columns_in_a_database(schema: str) -> None:
    import sqlite3

    connection = sqlite3.connect(":memory:")
    with connection:
        if schema == "rocpd":
            connection.execute(
                'CREATE TABLE rocpd_kernel_dispatch (id INTEGER PRIMARY KEY, pid, queue_id, start, "end", "pi""pe")'
            )
            connection.execute("INSERT INTO rocpd_kernel_dispatch VALUES (1, 7, 1, 10, 20, 3)")
            connection.execute("CREATE TABLE rocpd_gang (id INTEGER PRIMARY KEY)")
        else:
            connection.execute('CREATE TABLE KERN ("BeginNs", "EndNs", "queue-id", "KernelName", "pi""pe")')
            connection.execute("INSERT INTO KERN VALUES (10, 20, 1, 'f', 3)")
    read, unknown = recording(rocpd if schema == "rocpd" else rocprof_v1, connection.serialize())
    (event,) = read.of(Kind.DISPATCH)
    assert event.attrs['unknown:pi"pe'] == 3
    tables = [("table", "rocpd_gang", 0, 1)] if schema == "rocpd" else []
    assert unknown == [*tables, ("column", 'pi"pe', 0, 1)]


def test_new_columns_and_keys_of_the_first_rocprof() -> None:
    read, unknown = recording(rocprof_v1, b"Index,KernelName,gpu-id,BeginNs,EndNs,SQ_WAVES\n0,f,1,10,20,64\n")
    assert next(read.of(Kind.DISPATCH)).attrs["unknown:sq_waves"] == 64
    assert unknown == [("column", "sq_waves", 1, 1)]
    slices = {"ph": "X", "name": "f", "pid": 2, "ts": 1, "dur": 1, "args": {"BeginNs": "1", "EndNs": "2", "Gang": "4"}}
    read, unknown = recording(rocprof_v1, json.dumps({"traceEvents": [{}, slices]}).encode())
    assert next(read.of(Kind.API)).attrs["unknown:Gang"] == 4
    assert unknown == [("key", "Gang", 0, 1)]


# --- our own -------------------------------------------------------------------------------------------------------


def test_events_of_a_later_recording() -> None:
    head = {"schema": recorded.SCHEMA, "origin": "virtual", "clock": "monotonic", "host": "x"}
    rows = [head, [1, "queue-gang", 7, {"qid": 1}], {"counters": {}, "facts": {}}]
    read, unknown = recording(recorded, "".join(json.dumps(row) + "\n" for row in rows).encode())
    assert read.counters == {"unknown:queue-gang": 1}
    assert unknown == [("key", "host", 1, 1), ("event", '[1, "queue-gang", 7, {"qid": 1}]', 2, 1)]


def test_explain_says_it_in_one_line_and_lists_it_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "hqds").write_text(device() + "  Doorbell BAR: 8192\n")
    (tmp_path / "mqds").write_text(process(7, queue(0xF7BC, mqd(), mqd())))
    main(["explain", str(tmp_path)])
    told_of = " ".join(capsys.readouterr().out.split())
    assert told_of.count("newer than this version") == 1
    assert "1 line (first hqds:" in told_of and "'Doorbell BAR: 8192')" in told_of
    main(["explain", str(tmp_path), "--json"])
    (row,) = json.loads(capsys.readouterr().out)["unknown"]
    assert (row["what"], row["text"], row["count"]) == ("line", "Doorbell BAR: 8192", 1)
    assert row["at"].startswith("hqds:")


def test_doctor_lists_the_formats(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--formats", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)["formats"]
    assert {row["reader"] for row in listed} == set(READERS)
    assert main(["doctor", "--formats"]) == 0
    assert "ioctl interface 1.17" in capsys.readouterr().out
