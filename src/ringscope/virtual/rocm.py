"""Real ROCm user spaces that need neither a GPU nor root: where they lie and how a program is run in one.

A root is a folder with the unpacked packages of one Debian release; its own loader runs programs against its own
libraries, so that the host's C library does not matter. ``scripts/rocm_roots.py`` fetches them.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

FETCH = "scripts/rocm_roots.py"
READY = ".ready"
"""File of a complete root: the packages it was made of, one ``name version`` a line."""


@dataclass(frozen=True)
class Root:
    """One user space.

    ``rocm`` is the version of its ROCr; ``suite`` the Debian suite it comes from; ``needs`` are installed with what
    they depend on, ``alone`` without (a program or headers whose further dependencies nothing here uses).
    """

    name: str
    rocm: str
    suite: str
    needs: tuple[str, ...]
    alone: tuple[str, ...]

    @property
    def path(self) -> Path:
        """Where it lies, or would lie."""
        return folder() / self.name

    @property
    def ready(self) -> bool:
        """Whether it is there, whole."""
        return (self.path / READY).is_file()

    def environment(self) -> dict[str, str]:
        """What the process environment needs more: ROCr 5.2's rocminfo asks lsmod, which a machine may lack."""
        return {"PATH": f"{os.environ.get('PATH', '')}:{self.path / 'usr' / 'bin'}"}

    @property
    def libraries(self) -> Path:
        """The folder of its shared libraries."""
        return self.path / "usr" / "lib" / "x86_64-linux-gnu"

    def command(self, *words: str) -> list[str]:
        """The command line that runs ``words`` on this root's loader and libraries.

        A program without a slash is one of the root's own (``rocminfo``).
        """
        program = words[0] if "/" in words[0] else str(self.path / "usr" / "bin" / words[0])
        loader = next(self.path.glob("**/ld-linux-x86-64.so.2"))
        # Before Debian 13 the C library lay outside /usr.
        path = f"{self.libraries}:{self.path / 'lib' / 'x86_64-linux-gnu'}"
        return [str(loader), "--library-path", path, program, *words[1:]]


HEADERS = ("libhsa-runtime-dev", "libamdhip64-dev")
ROOTS = (
    Root("rocm-5.2", "5.2.3", "bookworm", ("libamdhip64-5", "libhsa-runtime64-1"), ("rocminfo", *HEADERS)),
    Root("rocm-6.1", "6.1.2", "trixie", ("libamdhip64-5", "libhsa-runtime64-1"), ("rocminfo", *HEADERS)),
    Root("rocm-6.4", "6.4.3", "sid", ("libamdhip64-6", "libhsa-runtime64-1", "libhiprtc6"), ("rocminfo", *HEADERS)),
)


def folder() -> Path:
    """The folder of all roots: RINGSCOPE_ROOTS, or a place in the user's cache."""
    named = os.environ.get("RINGSCOPE_ROOTS")
    if named:
        return Path(named)
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "ringscope" / "rocm-roots"
