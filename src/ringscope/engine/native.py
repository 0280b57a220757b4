"""The engine's text as machine code: made by Numba once, from then on loaded without it.

Importing Numba and reading what it keeps takes most of a short run; loading machine code takes a tenth of that. So
Numba's object code is kept as it is, beside a digest of itself, in a folder named by everything that it depends on: the
text of this room, the versions of Python, NumPy, Numba and llvmlite, the processor and its features.

The code has one entry, ``(addresses, until)``: where the arrays of a :class:`~ringscope.engine.state.State` lie, and
what :func:`ringscope.engine.core.run` takes.
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from __future__ import annotations

import ctypes
import hashlib
import os
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from types import FunctionType
from typing import Any, NamedTuple

import numpy as np

from ringscope.engine import compute_units, core, events, host, packets, pipes, schedulers, slots
from ringscope.engine.jit import HOT, INSTRUCTION, cache_folder
from ringscope.engine.spec import Machine, Queue, Spec
from ringscope.engine.state import State, build
from ringscope.errors import InputError

ROOMS = (events, pipes, compute_units, packets, host, slots, schedulers, core)
Run = Callable[[State, Any, int], int]
"""As :func:`ringscope.engine.core.run`; between its arguments the state's :func:`addresses`."""


class Code(NamedTuple):
    """An object file, and the name of its entry."""

    entry: str
    object: bytes


def names() -> dict[str, Any]:
    """What stands in all rooms: they agree on what a name means."""
    return {name: value for room in ROOMS for name, value in vars(room).items() if not name.startswith("__")}


def text() -> dict[str, Callable[..., Any]]:
    """The functions that are compiled."""
    return {name: value for name, value in names().items() if hasattr(value, "compiled_as")}


def among(function: Any, names: dict[str, Any]) -> Any:
    """``function`` once more, what it names being looked up in ``names``."""
    return FunctionType(function.__code__, names, function.__name__, function.__defaults__, function.__closure__)


def compiled(function: Any, names: dict[str, Any]) -> Any:
    """``function`` as Numba's, compiled when called by such a one, not once more for every constant it is given."""
    import numba  # noqa: PLC0415 - only where something has to be compiled
    from numba.core import types  # noqa: PLC0415
    from numba.core.cpu import CPUTargetOptions  # noqa: PLC0415

    how = getattr(function, "compiled_as", None)
    if how == INSTRUCTION:
        return _instructions()[function.__name__]
    options = {"nopython": True, "error_model": "numpy", "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    # The engine allocates nothing, so counting references of array views is pure cost. The option is private to Numba
    # and an unknown one is refused only at the first compile, so it is looked for and not tried.
    if hasattr(CPUTargetOptions, "_nrt"):
        options["_nrt"] = False
    jit: Any = numba.jit
    made = jit(**options, forceinline=how == HOT)(among(function, names))
    template = made.get_call_template
    made.get_call_template = lambda args, kws: template(tuple(map(types.unliteral, args)), kws)
    return made


def machine_code(names: dict[str, Any]) -> Code:
    """Compile ``run`` and what it calls, all of it Numba's (:func:`compiled`) and found in ``names``."""
    from numba.core import types  # noqa: PLC0415

    def enter(addresses, until):
        return run(state_at(addresses), until)  # type: ignore[name-defined] # noqa: F821

    made = compiled(enter, names | {"state_at": _state_at()})
    words = types.int64, types.int64
    made.compile(words)
    result = made.overloads[words]
    return Code(result.fndesc.llvm_func_name, result.library._get_compiled_object())


def _state_at() -> Any:
    """The intrinsic that makes a State of its arrays' addresses (:func:`addresses`)."""
    from llvmlite import ir  # noqa: PLC0415
    from numba import typeof  # noqa: PLC0415
    from numba.core import cgutils, types  # noqa: PLC0415
    from numba.extending import intrinsic  # noqa: PLC0415
    from numba.np.arrayobj import make_array, populate_array  # noqa: PLC0415

    kinds = types.NamedTuple([typeof(array) for array in build(Spec(Machine(), (Queue(),)))], State)

    def make(context, builder, _, args):
        word = ir.IntType(64)
        table = builder.inttoptr(args[0], word.as_pointer())

        def given(n):
            return builder.load(builder.gep(table, [word(n)]))

        arrays = []
        for n, kind in enumerate(kinds.types):
            array = make_array(kind)(context, builder)
            size = word(context.get_abi_sizeof(context.get_data_type(kind.dtype)))
            shape = [given(3 * n + 1), given(3 * n + 2)][: kind.ndim]
            strides = [size] if kind.ndim == 1 else [builder.mul(size, shape[1]), size]
            populate_array(
                array,
                data=builder.inttoptr(given(3 * n), array.data.type),
                shape=cgutils.pack_array(builder, shape),
                strides=cgutils.pack_array(builder, strides),
                itemsize=size,
                meminfo=None,
            )
            arrays.append(array._getvalue())
        return context.make_tuple(builder, kinds, arrays)

    return intrinsic(lambda _, table: (kinds(types.int64), make))


def _instructions() -> dict[str, Any]:
    """What the processor does in one instruction, or none at all."""
    from llvmlite import ir  # noqa: PLC0415
    from numba.core import types  # noqa: PLC0415
    from numba.extending import intrinsic  # noqa: PLC0415

    @intrinsic
    def lowest(_, mask):
        return mask(mask), lambda _, builder, __, args: builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    @intrinsic
    def at(_, place):
        return types.uint64(place), lambda context, builder, _, args: context.cast(builder, args[0], place, types.int64)

    return {"lowest": lowest, "at": at}


def addresses(state: State) -> Any:
    """Of every array where it lies, its rows, and its columns; good as long as ``state`` is."""
    if not all(array.flags.c_contiguous for array in state):
        raise ValueError("an array of a state has gaps")
    words = [word for array in state for word in (array.ctypes.data, array.shape[0], array.shape[-1])]
    return (ctypes.c_int64 * len(words))(*words)


class Loaded:
    """Machine code as a :data:`Run`."""

    def __init__(self, code: Code) -> None:
        from llvmlite import binding  # noqa: PLC0415

        binding.initialize_native_target()
        binding.initialize_native_asmprinter()
        target = binding.Target.from_default_triple().create_target_machine(jit=True)
        self._linker = binding.create_mcjit_compiler(binding.parse_assembly(""), target)  # the code is its own
        self._linker.add_object_file(binding.object_file.ObjectFileRef.from_data(code.object))
        self._linker.finalize_object()
        # Numba's convention: a status, by pointer the result and what was raised (nothing is), then the arguments.
        kind = ctypes.PYFUNCTYPE(ctypes.c_int32, *(ctypes.c_void_p,) * 3, ctypes.c_int64)
        self._enter = kind(self._linker.get_function_address(code.entry))

    def __call__(self, _: State, table: Any, until: int) -> int:
        """Run; see :data:`Run`."""
        result, raised = ctypes.c_int64(), ctypes.c_void_p()
        self._enter(ctypes.byref(result), ctypes.byref(raised), table, until)
        return result.value


_engine: Run | None = None


def engine(tell: Callable[[], None] = lambda: None) -> Run:
    """The engine as it is, without a user's rules; ``tell`` is called before it is compiled, which takes a while."""
    global _engine  # noqa: PLW0603 - once a process
    if _engine is None:
        kept = _place()
        code = _read(kept)
        if code is None:
            tell()
            every = names()
            every |= {name: compiled(function, every) for name, function in text().items()}
            code = machine_code(every)
            _keep(kept, code)
        _engine = Loaded(code)
    return _engine


def _place() -> Path:
    """Where the code for this very processor and these packages is kept."""
    missing = InputError("simulating needs Numba and NumPy", todo="pip install 'ringscope[sim]'")
    found = find_spec("numba")
    if found is None or found.origin is None:
        raise missing
    try:
        import llvmlite  # noqa: PLC0415
        from llvmlite import binding  # noqa: PLC0415
    except ImportError as error:
        raise missing from error
    on = sys.version, np.__version__, llvmlite.__version__, binding.get_host_cpu_name()
    of = hashlib.sha256("\0".join((*on, binding.get_host_cpu_features().flatten())).encode())
    of.update(Path(found.origin).with_name("_version.py").read_bytes())
    return Path(cache_folder()) / f"{of.hexdigest()[:16]}.o"


def _read(path: Path) -> Code | None:
    """What is kept there, if it is whole and nobody else can have put it there: it will be run."""
    try:
        with path.open("rb") as file:
            about = os.fstat(file.fileno())
            if about.st_uid not in (0, os.geteuid()) or about.st_mode & 0o022:
                return None
            digest, entry, code = file.read().split(b"\n", 2)
    except (OSError, ValueError):
        return None
    same = digest == hashlib.sha256(code).hexdigest().encode()
    return Code(entry.decode(), code) if same else None


def _keep(path: Path, code: Code) -> None:
    digest = hashlib.sha256(code.object).hexdigest()
    aside = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside.unlink(missing_ok=True)
        with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(b"\n".join((digest.encode(), code.entry.encode(), code.object)))
        aside.replace(path)
    except OSError:
        pass  # compiled again next time
