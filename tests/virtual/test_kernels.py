import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from virtual_machines import Bench, bench

from ringscope.parts.aql import KERNEL_DISPATCH
from ringscope.virtual.codeobject import Kernel
from ringscope.virtual.kernels import Policy


def packet(kernel: int, arguments: int, done: int, items: int = 64, **changed: int) -> bytes:
    values = {
        "header": 2 | 1 << 8, "setup": 1, "workgroup_size_x": 64, "workgroup_size_y": 1, "workgroup_size_z": 1,
        "grid_size_x": items, "grid_size_y": 1, "grid_size_z": 1, "kernel_object": kernel,
        "kernarg_address": arguments, "completion_signal": done,
    } | changed  # fmt: skip
    return KERNEL_DISPATCH.pack(**values)


def dispatch(b: Bench, kernel: int, arguments: int, items: int, **changed: int) -> int:
    """Run one dispatch to its end; the completion signal's value afterwards."""
    done = b.signal(1)
    b.submit(b.ring(), packet(kernel, arguments, done, items, **changed))
    b.processor.turn()
    return b.value(done)


def bare_kernel(b: Bench) -> int:
    va = b.memory()
    b.client.space.write(va + 16, struct.pack("<q", 256))
    return va


@given(st.integers(0, 3000), st.sampled_from([2, 4]), st.lists(st.integers(0, 3000), min_size=3, max_size=3))
def test_rocrs_copies_are_known_by_their_arguments(size: int, phases: int, cuts: list[int]) -> None:
    with bench() as b:
        source, target, arguments = b.memory(), b.memory(), b.memory()
        data = bytes(i * 13 & 255 for i in range(size))
        b.client.space.write(source, data)
        marks = [0, *sorted(min(cut, size) for cut in cuts[: phases - 1]), size]
        pairs = [address for mark in marks for address in (source + mark, target + mark)]
        b.client.space.write(arguments, struct.pack(f"<{len(pairs)}QI", *pairs, 640))
        assert dispatch(b, bare_kernel(b), arguments, 640) == 0
        assert b.client.space.read(target, size + 1) == data + b"\0"
        assert b.processor.kernels.carried_out == 1


def test_rocrs_fill_is_known_by_its_arguments() -> None:
    with bench() as b:
        target, arguments = b.memory(), b.memory()
        b.client.space.write(arguments, struct.pack("<3Q2I", target + 4, target + 16, target + 40, 0xAABBCCDD, 64))
        assert dispatch(b, bare_kernel(b), arguments, 64) == 0
        assert struct.unpack("<11I", b.client.space.read(target, 44)) == (0, *[0xAABBCCDD] * 9, 0)


def test_a_bare_kernel_with_other_arguments_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with bench() as b:
        arguments = b.memory()
        b.client.space.write(arguments, bytes(range(1, 100)))
        assert dispatch(b, bare_kernel(b), arguments, 640) == 1
        assert "cannot be computed here; --kernels time" in capsys.readouterr().err


@pytest.mark.parametrize("changed", [{"setup": 0}, {"workgroup_size_x": 0}, {"grid_size_y": 0}])
def test_a_dispatch_without_shape_is_a_fault(changed: dict[str, int], capsys: pytest.CaptureFixture[str]) -> None:
    with bench(Policy.TIME) as b:
        assert dispatch(b, bare_kernel(b), b.memory(), 64, **changed) == 1
        assert "work-items" in capsys.readouterr().err


@pytest.mark.parametrize(("changed", "code"), [({"setup": 0}, 2), ({}, 8)], ids=["shape", "refused"])
def test_the_runtime_is_told_what_was_wrong_with_a_dispatch(
    changed: dict[str, int], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with bench() as b:
        ring, inactive, done = b.ring(), b.signal(0), b.signal(1)
        b.client.space.write64(ring.read_va - 0x80 + 0xC0, inactive)
        b.submit(ring, packet(b.memory(), b.memory(), done, **changed))
        b.processor.turn()
        assert ring.fault and (b.value(inactive), b.value(done)) == (code, 1)
        assert capsys.readouterr().err


WORDS = ("ptrInt", "ptrUlong", "value", "flags", "mask")


def named(b: Bench, name: str, arguments: tuple[str, ...]) -> int:
    """A kernel of HIP's, as if it had been read from its code object; every argument has 8 bytes."""
    va = b.memory()
    places = {argument: (8 * i, 8) for i, argument in enumerate(arguments)}
    kernel = Kernel(f"__amd_rocclr_{name}", places, kernarg_bytes=8 * len(arguments))
    b.processor.kernels._known[b.client.number, va] = kernel
    return va


@pytest.mark.parametrize(
    ("flags", "value", "mask", "before", "after"),
    [(0, 5, 0xF, 0xF4, 0xF5), (1, 0x30, 0xF0, 0x21, 0x3F), (2, 6, 0xFF, 9, 2), (3, 0xFE, 0xFF, 1, 0)],
)
@pytest.mark.parametrize("wide", [False, True])
def test_a_wait_for_a_value_holds_its_queue_and_no_other(
    flags: int, value: int, mask: int, before: int, after: int, wide: bool
) -> None:
    with bench() as b:
        word, arguments = b.memory(), b.memory()
        kernel = named(b, "streamOpsWait", WORDS)
        b.client.space.write(
            arguments, struct.pack("<5Q", 0 if wide else word, word if wide else 0, value, flags, mask)
        )
        # What lies beside 32 bits is not looked at.
        b.client.space.write64(word, before | (0 if wide else 0xFFFFFFFF << 32))
        done = b.signal(1)
        ring = b.ring()
        b.submit(ring, packet(kernel, arguments, done))
        for _ in range(3):
            b.processor.turn()
        assert (b.value(done), b.processor.kernels.carried_out) == (1, 0)
        assert dispatch(b, named(b, "initHeap", ()), b.memory(), 64) == 0
        b.client.space.write64(word, after)
        b.processor.turn()
        assert (b.value(done), b.processor.kernels.carried_out) == (0, 2)


def test_a_batch_goes_on_where_its_wait_held_it() -> None:
    with bench() as b:
        flag, word, operations, arguments = b.memory(), b.memory(), b.memory(), b.memory()
        write, wait = 5, 4
        for i, (operation, address, value) in enumerate([(write, word, 1), (wait, flag, 1), (write, word + 8, 2)]):
            row = struct.pack("<I4x2QI", operation, address, value, 1)
            b.client.space.write(operations + 48 * i, row)
        b.client.space.write(arguments, struct.pack("<2Q", operations, 3))
        done, ring = b.signal(1), b.ring()
        b.submit(ring, packet(named(b, "batchMemOp", ("params", "count")), arguments, done))
        b.processor.turn()
        assert (b.value(done), b.client.space.read64(word), b.client.space.read64(word + 8)) == (1, 1, 0)
        b.client.space.write64(word, 7)
        b.processor.turn()
        b.client.space.write64(flag, 1)
        b.processor.turn()
        assert (b.value(done), b.client.space.read64(word), b.client.space.read64(word + 8)) == (0, 7, 2)
        assert ring.step == 0


def test_a_rectangle_counts_in_the_unit_it_names() -> None:
    with bench() as b:
        source, target, arguments = b.memory(), b.memory(), b.memory()
        data = bytes(range(256))
        b.client.space.write(source, data)
        va = named(b, "copyBufferRectAligned", ("src", "dst"))
        places = {"src": (0, 8), "dst": (8, 8), "srcRect": (32, 32), "dstRect": (64, 32), "size": (96, 32)}
        b.processor.kernels._known[b.client.number, va] = Kernel(
            "__amd_rocclr_copyBufferRectAligned", places, False, 128
        )
        # Rows of 32 bytes go to rows of 64: two units of 16 each, three rows of two slices.
        rectangles = struct.pack("<2Q16x12Q", source, target, 2, 6, 1, 0, 4, 12, 0, 0, 1, 3, 2, 16)
        b.client.space.write(arguments, rectangles)
        assert dispatch(b, va, arguments, 64) == 0
        for z in range(2):
            for y in range(3):
                row = b.client.space.read(target + 16 * (12 * z + 4 * y), 32)
                at = 16 * (1 + 6 * z + 2 * y)
                assert row == data[at : at + 16] + bytes(16)
