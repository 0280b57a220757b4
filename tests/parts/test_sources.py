"""Source keys: every one that a table uses is spelled out, and none is spelled out in vain."""

from ringscope.parts import aql, catalogue, ioctl, mqd, pm4, sdma
from ringscope.parts.layout import Generation
from ringscope.parts.sources import SOURCES, keys


def test_keys_are_split_from_the_places_within_them() -> None:
    assert keys("structs, kfd_mqd init_mqd") == ("structs", "kfd_mqd")
    assert keys("") == ()


def test_every_key_is_used_and_known() -> None:
    layouts = [
        *(table(g) for table in (mqd.compute, mqd.hiq, mqd.sdma) for g in Generation),
        *(pm4.packet_layout(op, fmt) for op in pm4.OPCODES for fmt in pm4.Format),
        *(sdma.packet_layout(packet, g) for packet in sdma.PACKETS for g in packet.gens),
    ]
    used = {key for layout in layouts for reg in layout.registers for key in keys(reg.source)}
    used |= {key for record in (*aql.RECORDS, *ioctl.RECORDS) for key in keys(record.source)}
    used |= {key for device in catalogue.devices() for key in keys(device.source)}
    assert used == set(SOURCES)
