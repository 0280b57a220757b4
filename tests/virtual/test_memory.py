import ctypes
import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st
from virtual_machines import GPU, bench

from ringscope.virtual import svm
from ringscope.virtual.memory import PAGE, Backing, Flags, MemoryFault, Store

SIZES = st.lists(st.integers(1, 40 * PAGE), min_size=1, max_size=30)


@given(SIZES, st.randoms(use_true_random=False))
def test_a_store_gives_disjoint_stretches_and_gets_all_of_them_back(sizes: list[int], order: object) -> None:
    store = Store(64 << 20, 64 << 20)
    whole = list(store._holes)
    taken: list[Backing] = []
    for size in sizes:
        backing = store.allocate(Flags.VRAM, size)
        assert backing.bytes >= size and backing.offset % PAGE == 0 and backing.offset
        assert all(b.offset + b.bytes <= backing.offset or backing.offset + backing.bytes <= b.offset for b in taken)
        taken.append(backing)
    order.shuffle(taken)  # type: ignore[attr-defined]
    for backing in taken:
        store.release(backing)
    assert store._holes == whole and store.used[Flags.VRAM] == 0
    store.close()


def test_memory_comes_back_zeroed() -> None:
    store = Store(1 << 20, 1 << 20)
    first = store.allocate(Flags.VRAM, PAGE)
    store.octets[first.offset : first.offset + 4] = b"used"
    store.release(first)
    again = store.allocate(Flags.VRAM, PAGE)
    assert bytes(store.octets[again.offset : again.offset + 4]) == bytes(4)
    store.close()


def test_the_limit_of_each_kind_holds() -> None:
    store = Store(2 * PAGE, PAGE)
    store.allocate(Flags.VRAM, 2 * PAGE)
    store.allocate(Flags.GTT, 1)
    for kind in (Flags.VRAM, Flags.GTT):
        with pytest.raises(OSError) as refused:
            store.allocate(kind, 1)
        assert refused.value.errno == errno.ENOMEM
    store.close()


def test_registered_memory_is_found_under_its_gpu_address() -> None:
    with bench() as b:
        va, room = b.registered(300)
        b.client.space.write(va + 5, b"hello")
        assert room.raw[5:10] == b"hello"
        assert va != ctypes.addressof(room)
        assert b.client.space.read(va + 5, 5) == b"hello"


@given(st.integers(1, 3 * PAGE), st.integers(0, 500), st.integers(0, 500), st.sampled_from("dr"), st.sampled_from("dr"))
def test_copies_between_every_kind_of_memory(
    size: int, source_at: int, target_at: int, source: str, target: str
) -> None:
    with bench() as b:
        rooms = []

        def place(kind: str) -> int:
            if kind == "d":
                return b.memory(4 * PAGE)
            va, room = b.registered(4 * PAGE)
            rooms.append(room)
            return va

        here, there = place(source) + source_at, place(target) + target_at
        data = bytes(i * 7 & 255 for i in range(size))
        space = b.client.space
        space.write(here, data)
        space.copy(there, here, size)
        assert space.read(there, size) == data
        assert space.read(there + size, 1) == b"\0"


def test_what_is_not_mapped_faults_with_its_address() -> None:
    with bench() as b:
        va = b.memory()
        for address, size in ((va + PAGE - 2, 4), (va - 1, 1), (0x1234, 8)):
            with pytest.raises(MemoryFault) as fault:
                b.client.space.read(address, size)
            assert fault.value.va == max(address, va + PAGE if address > va else address)
        buffer = b.client.space.find(va)
        assert buffer
        buffer.mapped = False
        with pytest.raises(MemoryFault):
            b.client.space.read64(va)


def test_own_memory_is_the_gpus_when_shared_or_under_xnack() -> None:
    room = ctypes.create_string_buffer(b"shared memory")
    with bench() as b:
        space, at = b.client.space, ctypes.addressof(room)
        with pytest.raises(MemoryFault):
            space.read(at, 6)
        space.svm.set(at, 6, [(svm.ACCESS, GPU)], GPU)
        assert space.read(at, 6) == b"shared"
        with pytest.raises(MemoryFault):
            space.read(at, 7)
        space.svm.xnack = True
        assert space.read(at, 13) == b"shared memory"


def test_two_buffers_may_not_overlap() -> None:
    with bench() as b:
        va = b.memory(4 * PAGE)
        for start, size in ((va, PAGE), (va - PAGE, 2 * PAGE), (va + 3 * PAGE, PAGE)):
            with pytest.raises(OSError) as refused:
                b.client.add_buffer(1, start, size, 1)
            assert refused.value.errno == errno.EINVAL


@given(st.binary(min_size=1, max_size=16), st.integers(0, 200_000))
def test_a_fill_repeats_its_pattern(pattern: bytes, size: int) -> None:
    with bench() as b:
        va = b.memory(201_000)
        b.client.space.fill(va, pattern, size)
        assert b.client.space.read(va, size + 1) == (pattern * (size // len(pattern) + 1))[:size] + b"\0"
