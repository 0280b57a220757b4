"""Real ROCm user spaces, programs built for them, and running those on the virtual GPU."""

import shutil
import subprocess
from functools import partial
from pathlib import Path

import pytest
from exec_runs import PROGRAMS, Build, Ran, Runner, absent, fetched, run_virtual

from ringscope.virtual.rocm import ROOTS, Root


@pytest.fixture(scope="session", params=ROOTS, ids=lambda root: root.name)
def root(request: pytest.FixtureRequest) -> Root:
    """Each of the three user spaces in turn; fetched when it is not there."""
    return fetched(request.param)


@pytest.fixture(scope="session")
def newest() -> Root:
    """The newest of the user spaces."""
    return fetched(ROOTS[-1])


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Builds one of the test programs against a root's headers and libraries; its path."""
    folder = tmp_path_factory.mktemp("programs")

    def build(root: Root, name: str) -> str:
        target = folder / f"{name}-{root.name}"
        if target.exists():
            return str(target)
        source = next(PROGRAMS.glob(f"{name}.c*"))
        hip = source.suffix == ".cpp"
        compiler = shutil.which("g++" if hip else "gcc")
        if compiler is None:
            absent("no C++ compiler" if hip else "no C compiler")
        libraries = ["-lamdhip64"] if hip else ["-lhsa-runtime64"]
        if (root.libraries / "libhiprtc.so").exists():
            libraries.append("-lhiprtc")
        command = [str(compiler), "-O1", "-w", "-o", str(target), str(source), f"-I{root.path}/usr/include"]
        if hip:
            # The older headers know AMD by another name.
            command += ["-std=c++17", "-D__HIP_PLATFORM_AMD__", "-D__HIP_PLATFORM_HCC__"]
        command += [f"-L{root.libraries}", *libraries, "-Wl,--allow-shlib-undefined"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert not done.returncode, done.stderr
        return str(target)

    return build


@pytest.fixture
def virtual(tmp_path: Path) -> Runner:
    """Runs a command on a virtual GPU and records it."""

    def run(*args: object, **kwargs: object) -> Ran:
        folder = tmp_path / f"run-{len(list(tmp_path.iterdir()))}"
        return partial(run_virtual, folder)(*args, **kwargs)  # type: ignore[arg-type]

    return run
