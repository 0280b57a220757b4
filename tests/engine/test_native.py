"""Machine code that is kept: what it is kept for, that it needs no Numba, and that a damaged file is not loaded."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from llvmlite import binding

from ringscope.engine import native
from ringscope.engine.run import Engine
from ringscope.engine.spec import Machine, Queue, Spec
from ringscope.engine.state import build


def test_what_is_kept_is_loaded_without_numba() -> None:
    native.engine()
    script = (
        "import sys; from ringscope.engine.run import Engine; from ringscope.engine.spec import Machine, Queue, Spec\n"
        "Engine(Spec(Machine(), (Queue(),))).run(5); print('numba' in sys.modules)"
    )
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=env, check=True)
    assert done.stdout == "False\n"


def test_another_processor_or_release_has_code_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = native._place()
    assert here == native._place()
    places = {here}
    monkeypatch.setattr(binding, "get_host_cpu_name", lambda: "znver9")
    places.add(native._place())
    monkeypatch.setattr("llvmlite.__version__", "99.0")
    places.add(native._place())
    (tmp_path / "_version.py").write_text("99")
    monkeypatch.setattr(native, "find_spec", lambda name: type("Found", (), {"origin": str(tmp_path / "__init__.py")}))
    places.add(native._place())
    assert len(places) == 4


def test_a_damaged_file_is_as_none(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "code.o"
    assert native._read(path) is None
    code = native.Code("enter", b"\x7fELF\n and so on")
    native._keep(path, code)
    assert native._read(path) == code
    assert [one.name for one in path.parent.iterdir()] == ["code.o"]
    whole = path.read_bytes()
    for damaged in (b"", whole[:-1], whole[:20], whole + b"x"):
        path.write_bytes(damaged)
        assert native._read(path) is None


def test_what_another_user_may_have_written_is_not_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "code.o"
    code = native.Code("enter", b"code")
    umask = os.umask(0)
    try:
        native._keep(path, code)
    finally:
        os.umask(umask)
    assert path.stat().st_mode & 0o777 == 0o600
    assert native._read(path) == code
    for mode in (0o620, 0o602):
        path.chmod(mode)
        assert native._read(path) is None
    path.chmod(0o644)
    assert native._read(path) == code
    # Who is asked for is not this user, and the file not root's.
    mine, about = os.geteuid(), os.stat_result((*path.stat()[:4], 1234, *path.stat()[5:]))
    monkeypatch.setattr(os, "fstat", lambda _: about)
    assert mine != 1234
    assert native._read(path) is None


def test_a_folder_that_cannot_be_written_breaks_nothing() -> None:
    native._keep(Path("/dev/null/cache/code.o"), native.Code("enter", b""))


def test_arrays_with_gaps_are_refused() -> None:
    state = build(Spec(Machine(), (Queue(),)))
    assert len(native.addresses(state)) == 3 * len(state)
    with pytest.raises(ValueError, match="gaps"):
        native.addresses(state._replace(heap=np.zeros((64, 2), np.int64)[:, 0]))


def test_an_engine_follows_its_arrays() -> None:
    engine = Engine(Spec(Machine(), (Queue(),)))
    table = engine._addresses()
    assert engine._addresses() is table
    engine.signal()  # the first grows the rows of packets
    assert engine._addresses() is not table
