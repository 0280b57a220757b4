"""AQL packets as CLR logs them, and the structures in memory that captures confirm."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringscope.parts import aql
from ringscope.parts.aql import FenceScope, PacketType
from ringscope.parts.record import Record
from ringscope.parts.sources import SOURCES, keys


@pytest.mark.parametrize(
    ("word", "built"),
    [
        (0x0B02, aql.header(PacketType.KERNEL_DISPATCH, True, FenceScope.AGENT, FenceScope.AGENT)),
        (0x1503, aql.header(PacketType.BARRIER_AND, True, FenceScope.SYSTEM, FenceScope.SYSTEM)),
        (0x0001, aql.header(PacketType.INVALID)),
    ],
)
def test_headers_seen_in_logs(word: int, built: int) -> None:
    assert built == word


@pytest.mark.parametrize("record", aql.PACKETS, ids=lambda r: r.name)
def test_a_packet_has_64_bytes_a_header_and_a_completion_signal(record: Record) -> None:
    assert record.size == aql.PACKET_BYTES == aql.PACKET_DWORDS * 4
    assert (record["header"].offset, record["header"].size) == (0, 2)
    assert (record["completion_signal"].offset, record["completion_signal"].size) == (56, 8)


@pytest.mark.parametrize("record", aql.RECORDS, ids=lambda r: r.name)
def test_every_record_has_a_source_and_meanings(record: Record) -> None:
    assert keys(record.source) and set(keys(record.source)) <= set(SOURCES)
    assert all(field.meaning for field in record.fields)


def test_offsets() -> None:
    at = {f.name: f.offset for f in aql.KERNEL_DISPATCH.fields}
    assert (at["workgroup_size_x"], at["grid_size_x"], at["private_segment_size"], at["group_segment_size"]) == (
        *(4, 12, 24, 28),
    )
    assert (at["kernel_object"], at["kernarg_address"], at["reserved2"]) == (32, 40, 48)
    assert [aql.BARRIER_AND[f"dep_signal{n}"].offset for n in range(5)] == [8, 16, 24, 32, 40]
    assert [aql.BARRIER_VALUE[n].offset for n in ("amd_format", "signal", "value", "mask", "condition")] == [
        *(2, 8, 16, 24, 32)
    ]
    assert aql.AMD_QUEUE["write_dispatch_id"].offset == 0x38
    assert aql.AMD_QUEUE["read_dispatch_id"].offset == 0x80
    assert aql.AMD_QUEUE["queue_inactive_signal"].offset == 0xC0
    assert aql.AMD_SIGNAL["value"].offset == 8


@given(st.integers(-(2**63), 2**63 - 1), st.integers(0, 2**32 - 1))
def test_what_is_packed_is_unpacked(value: int, event: int) -> None:
    packed = aql.AMD_SIGNAL.pack(kind=-1, value=value, event_id=event)
    assert len(packed) == 64
    read = aql.AMD_SIGNAL.unpack(packed)
    assert (read["kind"], read["value"], read["event_id"], read["start_ts"]) == (-1, value, event, 0)
