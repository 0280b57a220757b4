"""The wheel as a user gets it: built, installed alone into a clean environment, and used there."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import tomllib
import venv
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest
from commands import COMMANDS, furnish

from ringscope.cli import VERBS

PROJECT = Path(__file__).parents[1]
SRC = PROJECT / "src" / "ringscope"


def run(*words: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """A command in an environment that knows nothing of this checkout."""
    bare = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}}
    return subprocess.run(list(map(str, words)), capture_output=True, text=True, check=False, env=bare, cwd=cwd)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    folder = tmp_path_factory.mktemp("dist")
    done = run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=PROJECT)
    assert not done.returncode, done.stderr
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ``ringscope`` command of an environment that holds the wheel and nothing else, as pipx would make it."""
    home = tmp_path_factory.mktemp("clean") / "env"
    venv.create(home)
    done = run(
        sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", home / "bin" / "python",
        "install", "--no-index", "--quiet", wheel,
    )  # fmt: skip
    assert not done.returncode, done.stderr
    return home / "bin" / "ringscope"


def test_the_wheel_needs_nothing_and_offers_its_extras(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = Parser().parsestr(archive.read(next(n for n in names if n.endswith("METADATA"))).decode())
    assert not [need for need in metadata.get_all("Requires-Dist", []) if "extra ==" not in need]
    extras = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(metadata.get_all("Provides-Extra", [])) == set(extras)
    assert "ringscope/py.typed" in names
    assert not [name for name in names if not name.startswith(("ringscope/", "ringscope-"))]


def test_every_foreign_import_is_of_an_extra_and_late() -> None:
    extras = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    offered = {need.split(">")[0].split("=")[0].strip() for needs in extras.values() for need in needs}
    foreign: dict[str, set[str]] = {}
    for path in SRC.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                top = name.split(".")[0]
                if top not in sys.stdlib_module_names and top != "ringscope":
                    foreign.setdefault(top, set()).add(str(path.relative_to(SRC)))
    assert set(foreign) <= offered | {"llvmlite"}, foreign  # Numba's own, of its very version


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_helps_in_a_clean_environment(installed: Path, verb: str) -> None:
    done = run(installed, verb, "--help")
    assert done.returncode == 0, done.stderr
    assert f"usage: ringscope {verb}" in done.stdout


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_works_in_a_clean_environment_or_names_its_extra(installed: Path, verb: str, tmp_path: Path) -> None:
    done = run(installed, verb, *COMMANDS.get(verb, ()), cwd=furnish(tmp_path))
    assert "Traceback" not in done.stderr
    if done.returncode == 2 and "pip install" in done.stderr:
        (line,) = done.stderr.splitlines()
        extras = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
        assert line.startswith("ringscope: ") and any(f"'ringscope[{extra}]'" in line for extra in extras), line
    elif verb in ("capture", "serve", "top", "watch"):  # where no AMD GPU is, and no such host, they say so
        assert done.returncode in (0, 2, 3), done.stderr
    else:
        assert done.returncode in (0, 1, 3), done.stderr
        assert done.stdout


def test_a_machine_is_rehearsed_and_explained_there(installed: Path, tmp_path: Path) -> None:
    made = run(installed, "rehearse", "--streams", "2", "--write", tmp_path / "machine", "--json")
    read = run(installed, "explain", tmp_path / "machine", "--json")
    assert read.returncode == made.returncode, read.stderr
    assert len(json.loads(read.stdout)["processes"][0]["queues"]) == 3


def test_capturing_needs_no_package(installed: Path) -> None:
    done = run(installed, "doctor", "--json")
    assert done.returncode in (0, 1), done.stderr
    checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert "none, which capturing does not need" in checks["python.version"]["found"]
