"""Which compiler the engine's text is built with, and where compiled code is kept.

The engine is one text over arrays. Numba compiles it for the CPU and caches the result in ``NUMBA_CACHE_DIR`` or, when
that is unset, in the user's cache folder; a folder that cannot be written costs the cache, never the run. The same text
read once more within :func:`for_cuda` is device functions of ``numba.cuda`` (one thread a run).
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar, cast

from ringscope.errors import InputError

try:
    import numba as _numba
    from llvmlite import ir
    from numba.core import event, types
    from numba.core.cpu import CPUTargetOptions
    from numba.extending import intrinsic
except ImportError as error:
    raise InputError("simulating needs Numba and NumPy", todo="pip install 'ringscope[sim]'") from error

numba: Any = _numba
Function = TypeVar("Function", bound=Callable[..., Any])

_cuda = False


@contextmanager
def for_cuda() -> Iterator[None]:
    """Within it, the decorators of this module make device functions of ``numba.cuda``."""
    global _cuda  # noqa: PLW0603 - decorators run when a module is read: nothing can be handed to them
    _cuda = True
    try:
        yield
    finally:
        _cuda = False


def _cache_folder() -> str:
    """A folder of this text's own: Numba looks only at the file of the entry to see whether its cache is stale."""
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    folder = Path(os.environ.get("NUMBA_CACHE_DIR") or Path(home) / "ringscope" / "numba")
    text = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py"))))
    return str(folder / text.hexdigest()[:16])


def _options() -> dict[str, Any]:
    options: dict[str, Any] = {"error_model": "numpy"}
    # The engine allocates nothing, so counting references of array views is pure cost. The option is private to Numba
    # and an unknown one is refused only at the first compile, so it is looked for and not tried.
    if hasattr(CPUTargetOptions, "_nrt"):
        options["_nrt"] = False
    return options


def jit(function: Function) -> Function:
    """Compile a function that only compiled code calls."""
    return _compile(function, no_cpython_wrapper=True, no_cfunc_wrapper=True)


def hot(function: Function) -> Function:
    """Like :func:`jit`, and put the function's code into its callers: a call passes every array of the state.

    For what runs once an event; everywhere else it only makes compiling slow.
    """
    return _compile(function, no_cpython_wrapper=True, no_cfunc_wrapper=True, forceinline=True)


def entry(function: Function) -> Function:
    """Compile a function that Python calls, and keep the result for the next process."""
    if _cuda:
        return _compile(function)
    kept = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = _cache_folder()
    try:
        return _compile(function, cache=True)
    except RuntimeError:  # no folder can be written: compile again next time
        return _compile(function)
    finally:
        numba.config.CACHE_DIR = kept


def kernel(function: Function) -> Function:
    """Compile what starts on an NVIDIA GPU, and keep the result as long as the engine's text is the same."""
    from numba import cuda  # noqa: PLC0415 - only there when asked for

    gpu: Any = cuda
    if numba.config.ENABLE_CUDASIM:
        return cast("Function", gpu.jit(function))
    try:
        from numba.cuda.core import config  # noqa: PLC0415 - numba-cuda's own, beside Numba's
    except ImportError:
        config = numba.config
    text = b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))
    kept = config.CACHE_DIR
    # Numba looks at the kernel's own file alone to see whether a kept kernel is still right.
    config.CACHE_DIR = str(Path(_cache_folder()) / f"cuda-{hashlib.sha256(text).hexdigest()[:16]}")
    try:
        return cast("Function", gpu.jit(cache=True)(function))
    except RuntimeError:
        return cast("Function", gpu.jit(function))
    finally:
        config.CACHE_DIR = kept


def _compile(function: Function, **more: bool) -> Function:
    if _cuda:
        from numba import cuda  # noqa: PLC0415 - only there when asked for

        return cast("Function", cast("Any", cuda).jit(device=True)(function))
    return cast("Function", compiled(function, **_options(), **more))


def compiled(function: Callable[..., Any], **options: Any) -> Any:
    """``function`` as Numba's, compiled once, not once more for every constant that it is called with."""
    made = numba.jit(**{"nopython": True, **options})(function)
    template = made.get_call_template
    made.get_call_template = lambda args, kws: template(tuple(map(types.unliteral, args)), kws)
    return made


class _Once(event.Listener):
    def __init__(self, tell: Callable[[], None]) -> None:
        self._tell: Callable[[], None] | None = tell

    def on_start(self, event: object) -> None:
        if self._tell is not None:
            self._tell()
            self._tell = None

    def on_end(self, event: object) -> None:
        pass


@contextmanager
def compiling(tell: Callable[[], None]) -> Iterator[None]:
    """Within it, the first function that has to be compiled (and does not come from the cache) calls ``tell``."""
    with event.install_listener("numba:compile", _Once(tell)):
        yield


@contextmanager
def without_blas() -> Iterator[None]:
    """Within it Numba does not find SciPy's BLAS, whose import would take longer than all of the engine's.

    For a process of our own: Numba, once started so, multiplies no matrices in it.
    """
    blas = "scipy.linalg.cython_blas"
    if blas in sys.modules:
        yield
        return
    sys.modules[blas] = cast("Any", None)
    try:
        yield
    finally:
        del sys.modules[blas]


@intrinsic
def _lowest(_: Any, mask: Any) -> Any:
    return mask(mask), lambda _, builder, __, args: builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))


@intrinsic
def _at(_: Any, place: Any) -> Any:
    return types.uint64(place), lambda context, builder, _, args: context.cast(builder, args[0], place, types.int64)


_INSTRUCTIONS: dict[str, Any] = {"lowest": _lowest, "at": _at}


def one_instruction(function: Function) -> Function:
    """``function`` as the processor's one instruction for it (or none at all), where Numba can be told so."""
    return _compile(function) if _cuda else cast("Function", _INSTRUCTIONS[function.__name__])
