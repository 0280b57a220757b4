import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from virtual_machines import Bench, bench

from ringscope.parts.aql import KERNEL_DISPATCH
from ringscope.virtual.kernels import Policy


def dispatch(b: Bench, kernel: int, arguments: int, items: int, **changed: int) -> int:
    """Run one dispatch to its end; the completion signal's value afterwards."""
    done = b.signal(1)
    values = {
        "header": 2 | 1 << 8, "setup": 1, "workgroup_size_x": 64, "workgroup_size_y": 1, "workgroup_size_z": 1,
        "grid_size_x": items, "grid_size_y": 1, "grid_size_z": 1, "kernel_object": kernel,
        "kernarg_address": arguments, "completion_signal": done,
    } | changed  # fmt: skip
    b.submit(b.ring(), KERNEL_DISPATCH.pack(**values))
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


def test_modelled_time_grows_with_the_grid() -> None:
    with bench(Policy.TIME) as b:
        kernels = b.processor.kernels
        from ringscope.virtual.kernels import Dispatch

        times = [kernels.duration_ns(Dispatch(1, (256, 1, 1), (256 * n, 1, 1), 0, 0, 0, 0)) for n in (1, 1000, 10000)]
        assert times == sorted(set(times))
