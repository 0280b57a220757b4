"""Every row of every table as text: a changed offset or bit is seen in a diff before it is believed.

The values themselves are held against headers and captures by the tests beside this one. ``python
tests/parts/test_golden.py`` writes the text anew.
"""

from collections.abc import Iterator
from pathlib import Path

from ringscope.parts import aql, catalogue, ioctl, mqd, pm4, sdma
from ringscope.parts.layout import Generation, Layout
from ringscope.parts.record import Record
from ringscope.records import fields

GOLDEN = Path(__file__).parent / "golden" / "tables.txt"


def _layout(title: str, layout: Layout) -> Iterator[str]:
    yield f"{title}: {layout.dwords} dwords"
    for row in sorted(layout.registers, key=lambda row: row.dword):
        bits = " ".join(f"{bit.name}[{bit.high}:{bit.low}]" for bit in row.bits)
        yield f"  {row.dword} {row.name} {bits}".rstrip()


def _record(record: Record) -> Iterator[str]:
    yield f"{record.name}: {record.size} bytes"
    for field in record.fields:
        bits = " ".join(f"{bit.name}[{bit.high}:{bit.low}]" for bit in field.bits)
        yield f"  {field.offset}+{field.size} {field.name} {field.direction} {bits}".rstrip()


def _device(device: catalogue.Device) -> Iterator[str]:
    yield f"device {device.key}"
    for field in fields(device):
        yield f"  {field.name} {getattr(device, field.name)}"


def tables() -> str:
    lines: list[str] = []
    for device in catalogue.devices():
        lines += _device(device)
    for generation in Generation:
        lines += _layout(f"compute MQD {generation.name}", mqd.compute(generation))
        lines += _layout(f"SDMA MQD {generation.name}", mqd.sdma(generation))
    for fmt in pm4.Format:
        for opcode in pm4.OPCODES:
            try:
                lines += _layout(f"PM4 {opcode} {fmt.name}", pm4.packet_layout(opcode, fmt))
            except KeyError:
                continue
    for packet in sdma.PACKETS:
        for generation in packet.gens:
            lines += _layout(f"SDMA {packet.name} {generation.name}", sdma.packet_layout(packet, generation))
    for record in (*aql.RECORDS, *ioctl.RECORDS):
        lines += _record(record)
    lines += [f"{call.name} {call.number:#x}" for call in ioctl.IOCTLS]
    lines += [f"{name} {flag:#x}" for name, flag in ioctl.ALLOC_FLAGS.items()]
    return "\n".join(lines) + "\n"


def test_tables_are_as_they_were_last_looked_at() -> None:
    assert tables() == GOLDEN.read_text(), "a table changed: check the rows against their source, then write it anew"


if __name__ == "__main__":
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_text(tables())
