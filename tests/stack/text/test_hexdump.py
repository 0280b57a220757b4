import struct

from hypothesis import given
from hypothesis import strategies as st

from ringscope.stack.text import hexdump

WORDS = st.lists(st.integers(0, 0xFFFFFFFF), min_size=1, max_size=40)


def test_memory_counts_offsets_and_prints_little_endian_words() -> None:
    data = struct.pack("<10I", 0xC0310800, *range(1, 9), 0xDEADBEEF)
    assert hexdump.memory(data, "  ") == (
        "\n  00000000: c0310800 00000001 00000002 00000003 00000004 00000005 00000006 00000007"
        "\n  00000020: 00000008 deadbeef"
    )


def test_registers_count_addresses() -> None:
    assert hexdump.registers(0xC914, struct.pack("<9I", *range(9))) == (
        "\n    0000c914: 00000000 00000001 00000002 00000003 00000004 00000005 00000006 00000007"
        "\n    0000c934: 00000008"
    )


@given(words=WORDS)
def test_every_word_can_be_read_back(words: list[int]) -> None:
    text = hexdump.memory(struct.pack(f"<{len(words)}I", *words), "    ")
    read = [int(word, 16) for line in text.splitlines()[1:] for word in line.partition(":")[2].split()]
    assert read == words
