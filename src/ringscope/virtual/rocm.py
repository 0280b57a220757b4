"""Real ROCm user spaces that need neither a GPU nor root: where they lie and how a program is run in one.

A root is a folder with the unpacked packages of one Debian release; its own loader runs programs against its own
libraries, so that the host's C library does not matter. ``scripts/rocm_roots.py`` fetches them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from ringscope.errors import InputError
from ringscope.records import dataclass

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

    def compile_command(self, source: Path, target: Path) -> list[str] | None:
        """The command line that builds a C (ROCr) or C++ (HIP) program against this root; None without a compiler."""
        hip = source.suffix == ".cpp"
        compiler = shutil.which("g++" if hip else "gcc")
        if compiler is None:
            return None
        # Older headers know AMD by another name; libraries of libraries are found when the program runs.
        flags = ["-std=c++17", "-D__HIP_PLATFORM_AMD__", "-D__HIP_PLATFORM_HCC__"] if hip else []
        libraries = ["-lamdhip64"] if hip else ["-lhsa-runtime64"]
        if hip and (self.libraries / "libhiprtc.so").exists():
            libraries.append("-lhiprtc")
        where = [f"-I{self.path / 'usr' / 'include'}", f"-L{self.libraries}"]
        files = ["-o", str(target), str(source)]
        return [compiler, "-O1", "-w", *flags, *files, *where, *libraries, "-Wl,--allow-shlib-undefined"]


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


def demonstration(source: Path, scratch: Path) -> list[str]:
    """A real program to show: ``source`` built into ``scratch``, or rocminfo without a compiler, in the newest root.

    Raises:
        InputError: no user space was fetched; the line says how to.
    """
    root = next((root for root in reversed(ROOTS) if root.ready), None)
    if root is None:
        raise InputError(
            "no ROCm user space is here", str(folder()), f"fetch one without root: {FETCH} {ROOTS[-1].name}"
        )
    target = scratch / source.stem
    build = root.compile_command(source, target)
    if build and not subprocess.run(build, capture_output=True, check=False).returncode:  # noqa: S603
        return root.command(str(target))
    return root.command("rocminfo")
