"""The small languages of the command line: axes, times, faults, launch commands, the parts of the reference."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from fuzz import held
from ringscope.evidence import launcher
from ringscope.parts.catalogue import generation_of_gfx
from ringscope.scenario.sweep.axes import Axis
from ringscope.scenario.units import nanoseconds, size
from ringscope.stack.rocm import RocmVersion
from ringscope.verbs.capture import seconds
from ringscope.virtual.injection import Faults

_LANGUAGES: dict[str, tuple[Callable[[str], object], tuple[str, ...]]] = {
    "axis": (Axis.parse, ("process.p.count=1..8", "kernel.k.duration=[10 us, 20 us]", "device.gpu=mi210,mi308x")),
    "time": (nanoseconds, ("85 us", "0.76 ns")),
    "size": (size, ("32 KiB",)),
    "every": (seconds, ("0.5s", "500ms")),
    "fault": (lambda text: Faults((text,)), ("create@create:3=ENOSPC", "memory=2G", "hang@packet:100=50ms")),
    "gfx": (generation_of_gfx, ("90a", "gfx942")),
    "rocm": (RocmVersion.parse, ("6.2",)),
    "launch": (
        lambda text: launcher.read(text.split(" ")),
        (
            "mpirun -n 12 -x GPU_MAX_HW_QUEUES=8 ./app",
            "srun -N 2 --ntasks-per-node 8 app",
            "torchrun --nproc-per-node 8 a",
        ),
    ),
}


def seeds() -> Iterator[bytes]:
    """Words of each language, its name before them."""
    for name, (_, examples) in _LANGUAGES.items():
        yield from (f"{name} {example}".encode() for example in examples)


def one(data: bytes) -> None:
    """Parse by the language that is named."""
    name, _, text = data.decode("utf-8", "replace").partition(" ")
    if name in _LANGUAGES:
        held(lambda: _LANGUAGES[name][0](text))
