from __future__ import annotations

import pytest

from ringscope.errors import InputError
from ringscope.recording import Value
from ringscope.stack.hip import HipSettings, StreamPriority
from ringscope.stack.machine import MachineSpec
from ringscope.stack.rocm import RocmVersion
from ringscope.stack.walk import WORKGROUPS, Walk, walk

HIGH, NORMAL, LOW = StreamPriority.HIGH, StreamPriority.NORMAL, StreamPriority.LOW


def walks(*priorities: StreamPriority, rocm: str = "7.0", part: str = "mi308x", **how: int) -> tuple[Walk, ...]:
    settings = HipSettings(gpu_max_hw_queues=how.get("maximum", 4))
    return walk(MachineSpec.of(part), RocmVersion.parse(rocm), priorities, settings, stream=how.get("stream", 1))


def value(one: Walk, name: str) -> Value:
    return one.values[name]


@pytest.mark.parametrize(
    ("rocm", "arrive"),
    [
        ("5.2", [(15, 2), (7, 1), (0, 0)]),
        ("6.1", [(15, 2), (7, 1), (0, 0)]),
        ("6.2", [(11, 2), (7, 1), (0, 0)]),
        ("7.0", [(11, 2), (7, 1), (0, 0)]),
        ("develop", [(7, 1), (7, 1), (7, 1)]),
    ],
)
def test_note_2s_table_as_it_is(rocm: str, arrive: list[tuple[int, int]]) -> None:
    found = walks(HIGH, NORMAL, LOW, rocm=rocm)
    assert [(value(one, "cp_hqd_queue_priority"), value(one, "cp_hqd_pipe_priority")) for one in found] == arrive
    assert {value(one, "cp_hqd_quantum") for one in found} == {0x111}


def test_streams_of_one_process_have_doorbells_and_slots_of_their_own() -> None:
    found = walks(HIGH, LOW)
    assert [value(one, "doorbell_index") for one in found] == [0x1002, 0x1004]
    assert [value(one, "slot") for one in found] == ["1.2", "0.2"]
    assert {value(one, "vmid") for one in found} == {3}


def test_the_cost_of_a_stream_in_hiq_dwords() -> None:
    assert [value(one, "hiq_dwords") for one in walks(HIGH, NORMAL, LOW)] == [4 + 17 + 17, 17, 34]


def test_the_fifth_stream_shares_and_costs_nothing() -> None:
    (fifth,) = walks(NORMAL, stream=5)
    assert (value(fifth, "streams_on_queue"), value(fifth, "create_ioctls"), value(fifth, "hiq_dwords")) == (2, 0, 0)


@pytest.mark.parametrize(
    ("rocm", "mode", "place"), [("5.2", None, 4), ("7.0", None, 4), ("6.4", 1, 1), ("6.1", 1, 4), ("develop", 1, 1)]
)
def test_which_queue_is_shared_first_depends_on_the_release(rocm: str, mode: int | None, place: int) -> None:
    (fifth,) = walk(
        MachineSpec.of("mi308x"), RocmVersion.parse(rocm), [NORMAL], HipSettings(dynamic_queues=mode), stream=5
    )
    assert value(fifth, "queue_of_pool") == place


def test_without_a_free_slot_the_packet_waits() -> None:
    # 31 queues for 24 slots, the newest first; the 58th stream shares one of the oldest.
    (one,) = walks(NORMAL, maximum=30, stream=58)
    assert (value(one, "slot"), value(one, "vmid")) == ("", "")
    assert (one.packet[-1].layer, one.packet[-1].act) == ("CP", "waits")
    assert any("oversubscribed due to too many queues" in note for note in one.notes)


def test_a_workgroup_is_run_by_one_xcc_and_all_are_run() -> None:
    (one,) = walks(HIGH)
    shares = [line.says for line in one.packet if line.act == "runs workgroups"]
    firsts = [int(says.partition(",")[0]) for says in shares]
    counts = [int(says.rpartition(": ")[2].partition(" ")[0]) for says in shares]
    assert sorted(firsts) == [0, 1, 2, 3]
    assert sum(counts) == WORKGROUPS


def test_what_is_inferred_says_so() -> None:
    (mi308x,) = walks(HIGH)
    (mi210,) = walks(HIGH, part="mi210")
    assert [line.sure for line in (*mi308x.lines, *mi210.lines) if line.layer == "slot"] == [True, False]
    assert any("ring" in note for note in walks(HIGH, rocm="develop")[0].notes)


def test_streams_are_counted_from_one() -> None:
    with pytest.raises(InputError, match="stream 0"):
        walks(HIGH, stream=0)


def test_what_is_inferred_is_marked() -> None:
    (one,) = walks(HIGH)
    assert {line.sure for line in one.packet if line.act == "runs workgroups"} == {False}
    assert {line.sure for line in one.packet if line.act in {"fetches", "reports", "completes"}} == {False}
    (alone,) = walks(HIGH, part="mi210")
    assert all(line.sure for line in alone.packet)
    assert not any(" by XCC" in line.says or "1 × " in line.says for line in (*alone.lines, *alone.packet))


def test_a_ring_is_told_in_its_unit_and_high_by_its_release() -> None:
    def says(rocm: str) -> str:
        (one,) = walks(HIGH, rocm=rocm)
        return "\n".join(line.says for line in one.lines)

    assert "16384 packets (1 MiB)" in says("7.0") and "4096 packets (256 KiB)" in says("5.2")
    assert "(MAXIMUM before 6.2)" in says("7.0") and "(HIGH from 6.2 on)" in says("6.1")


def test_the_first_node_of_several_is_followed() -> None:
    machine = MachineSpec.of("mi308x", 2)
    (one,) = walk(machine, RocmVersion.parse("7.0"), [HIGH], HipSettings())
    assert value(one, "slot") == "0.2"
