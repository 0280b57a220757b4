"""The command itself: help, exit codes, output files, and what it must not import."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from commands import furnish

from ringscope.cli import VERBS, main


def test_help_lists_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    assert stop.value.code == 0
    shown = capsys.readouterr().out
    assert [verb for verb in VERBS if f"\n  {verb} " not in shown] == []


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_exit_codes(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([verb, "--help"])
    assert stop.value.code == 0
    assert "exit codes" in capsys.readouterr().out


def test_help_imports_nothing_heavy() -> None:
    script = "import sys\nfrom ringscope.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
    script += "print([n for n in sys.modules if n.split('.')[0] in {'numpy', 'numba', 'polars', 'tarfile', 'sqlite3'}])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("verb", ["check", "exec", "explain"])
def test_a_verb_that_somebody_waits_for_imports_little(verb: str) -> None:
    """Each of these costs 5 ms to 20 ms, and Numba half a second."""
    slow = {"dataclasses", "inspect", "logging", "numba", "numpy", "ringscope.engine.run"}
    if verb == "exec":
        slow |= {"json", "shutil", "ringscope.evidence", "ringscope.verdicts", "ringscope.stack.kfd.driver"}
        slow |= {"pathlib", "textwrap", "tomllib", "ringscope.virtual.aql", "ringscope.virtual.sdma"}
    code = f"import sys, ringscope.cli, ringscope.verbs.{verb}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not slow & set(done.stdout.split())


def test_an_unknown_verb_is_one_line_and_two(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["frobnicate"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "frobnicate" in line and "explain" in line


def test_no_verb_prints_help_and_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "explain" in capsys.readouterr().out


def test_an_unknown_option_is_one_line_and_two(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["explain", "--frobnicate", "x"])
    assert stop.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_output_is_written_whole_or_not_at_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mqds").write_bytes(b"")
    target = tmp_path / "out.json"
    assert main(["explain", str(tmp_path / "mqds"), "--json", "--output", str(target)]) == 0
    assert json.loads(target.read_text())["schema"] == "ringscope.explain/1"
    assert capsys.readouterr().out == ""
    assert main(["explain", str(tmp_path / "mqds"), "-o", str(tmp_path / "no" / "out.json")]) == 2
    assert "cannot be written" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mqds", "out.json"]


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "mqds").write_bytes(b"")
    command = f"{sys.executable} -m ringscope explain {tmp_path / 'mqds'} --json | head -c 1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False)
    assert done.stderr == ""


def test_log_level_debug_tells_what_each_file_was_known_as(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    furnish(tmp_path)
    (tmp_path / "machine" / "stranger").write_bytes(b"\0\1\2")
    words = ["explain", str(tmp_path / "machine")]
    main(words)
    quiet = capsys.readouterr()
    main([*words, "--log-level", "debug"])
    told = capsys.readouterr()
    assert (told.out, quiet.err) == (quiet.out, "")
    lines = told.err.splitlines()
    assert "ringscope: mqds: mqds" in lines
    assert any(line.startswith("ringscope: stranger: passed over, ") for line in lines)
