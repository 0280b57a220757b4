"""Which functions are compiled, how, and where compiled code is kept.

The engine is one text over arrays: plain Python, marked by the decorators of this module and compiled for the CPU by
:mod:`.native`. The same text read once more within :func:`for_cuda` is device functions of ``numba.cuda`` (one thread a
run). What is compiled is kept in ``NUMBA_CACHE_DIR`` or, when that is unset, in the user's cache folder; a folder that
cannot be written costs the cache, never the run.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar, cast

Function = TypeVar("Function", bound=Callable[..., Any])

CALLED, HOT, INSTRUCTION = "called", "hot", "instruction"

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


def cache_folder() -> str:
    """A folder of this text's own."""
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    folder = Path(os.environ.get("NUMBA_CACHE_DIR") or Path(home) / "ringscope" / "numba")
    text = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py"))))
    return str(folder / text.hexdigest()[:16])


def jit(function: Function) -> Function:
    """Compile a function."""
    return _marked(function, CALLED)


def hot(function: Function) -> Function:
    """Like :func:`jit`, and put the function's code into its callers: a call passes every array of the state.

    For what runs once an event; everywhere else it only makes compiling slow.
    """
    return _marked(function, HOT)


def one_instruction(function: Function) -> Function:
    """``function`` as the processor's one instruction for it (or none at all), where Numba can be told so."""
    return _marked(function, INSTRUCTION)


def _marked(function: Function, how: str) -> Function:
    if _cuda:
        from numba import cuda  # noqa: PLC0415 - only there when asked for

        return cast("Function", cast("Any", cuda).jit(device=True)(function))
    cast("Any", function).compiled_as = how
    return function


def kernel(function: Function) -> Function:
    """Compile what starts on an NVIDIA GPU, and keep the result as long as the engine's text is the same."""
    import numba.cuda  # noqa: PLC0415 - only there when asked for

    gpu: Any = numba.cuda
    everyone: Any = numba.config
    if everyone.ENABLE_CUDASIM:
        return cast("Function", gpu.jit(function))
    try:
        from numba.cuda.core import config  # noqa: PLC0415 - numba-cuda's own, beside Numba's
    except ImportError:
        config = everyone
    kept = config.CACHE_DIR
    # Numba looks at the kernel's own file alone to see whether a kept kernel is still right.
    config.CACHE_DIR = str(Path(cache_folder()) / "cuda")
    try:
        return cast("Function", gpu.jit(cache=True)(function))
    except RuntimeError:
        return cast("Function", gpu.jit(function))
    finally:
        config.CACHE_DIR = kept
