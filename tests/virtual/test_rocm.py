import subprocess
import sys
from pathlib import Path

import pytest
from exec_runs import PROGRAMS, PROJECT

from ringscope.errors import InputError
from ringscope.virtual.rocm import FETCH, READY, ROOTS, demonstration, folder


def test_the_folder_is_the_users_cache_or_the_one_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("RINGSCOPE_ROOTS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert folder() == tmp_path / "ringscope" / "rocm-roots"
    monkeypatch.setenv("RINGSCOPE_ROOTS", str(tmp_path / "mine"))
    assert folder() == tmp_path / "mine"
    assert not any(root.ready for root in ROOTS)


def test_without_a_root_it_is_said_how_to_get_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RINGSCOPE_ROOTS", str(tmp_path))
    with pytest.raises(InputError, match=f"{FETCH} {ROOTS[-1].name}"):
        demonstration(PROGRAMS / "streams.cpp", tmp_path)


def test_a_program_runs_on_its_roots_loader(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RINGSCOPE_ROOTS", str(tmp_path))
    root = ROOTS[-1]
    (root.path / "lib64").mkdir(parents=True)
    loader = root.path / "lib64" / "ld-linux-x86-64.so.2"
    loader.touch()
    (root.path / READY).touch()
    assert root.ready
    assert root.command("rocminfo", "-x")[:2] == [str(loader), "--library-path"]
    assert root.command("rocminfo", "-x")[3:] == [str(root.path / "usr" / "bin" / "rocminfo"), "-x"]
    assert root.command("./own")[3] == "./own"


def test_the_script_names_what_is_there_and_refuses_the_rest(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RINGSCOPE_ROOTS", str(tmp_path))
    for root in ROOTS:
        root.path.mkdir()
        (root.path / READY).touch()
    script = [sys.executable, str(PROJECT / FETCH)]
    done = subprocess.run(script, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.split()) == (0, [str(root.path) for root in ROOTS])
    done = subprocess.run([*script, "rocm-9"], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and done.stderr.count("\n") == 1


def test_a_machine_without_debians_archive_is_told_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RINGSCOPE_ROOTS", str(tmp_path))
    monkeypatch.setenv("PATH", "")
    done = subprocess.run([sys.executable, PROJECT / FETCH, "rocm-6.4"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "apt-get is not installed" in done.stderr.splitlines()[-1]
    assert not any(tmp_path.glob("rocm*"))
