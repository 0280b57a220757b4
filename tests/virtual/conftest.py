"""Real ROCm user spaces, programs built for them, and running those on the virtual GPU."""

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
        command = root.compile_command(next(PROGRAMS.glob(f"{name}.c*")), target)
        if command is None:
            absent("no compiler: install gcc and g++")
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
