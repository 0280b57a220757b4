"""What the source may not do, what is pinned, and that each promise of the threat model names a test that exists."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
SOURCES = sorted((PROJECT / "src").rglob("*.py"))

RUNS_INPUT = {"eval", "exec", "compile", "__import__"}
RUNS_INPUT_MODULES = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "jsonpickle", "yaml", "xml"}
RUNS_INPUT_CALLS = {"os.system", "os.popen", "tempfile.mktemp", "yaml.load", "pty.spawn"}
ALLOWED = {"ringscope/records.py": "exec"}
"""A record's ``__init__`` is compiled from names in our own class bodies, as by dataclasses; no input reaches it."""
SECRETS = re.compile(r"(?<![a-z])(token|secret|password|cookie)s?(?![a-z])", re.IGNORECASE)


def dotted(node: ast.expr) -> str:
    """``a.b.c`` of an attribute; empty when it is none."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def offences(tree: ast.AST) -> list[str]:
    """Where code runs or trusts what it reads, by line."""
    found = []
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                found += [(node.lineno, n.name) for n in names if n.name.split(".")[0] in RUNS_INPUT_MODULES]
            case ast.ImportFrom(module=str(module)) if module.split(".")[0] in RUNS_INPUT_MODULES:
                found.append((node.lineno, module))
            case ast.Call(func=ast.Name(id=name)) if name in RUNS_INPUT:
                found.append((node.lineno, name))
            case ast.Call(func=func) if dotted(func) in RUNS_INPUT_CALLS:
                found.append((node.lineno, dotted(func)))
            case ast.Call(keywords=keywords):
                for word in keywords:
                    if word.arg in {"shell", "allow_pickle"} and not (
                        isinstance(word.value, ast.Constant) and word.value.value is False
                    ):
                        found.append((node.lineno, word.arg))
            case ast.Compare(left=left, ops=ops, comparators=others) if {type(op) for op in ops} & {ast.Eq, ast.NotEq}:
                sides = [dotted(side).rpartition(".")[2] for side in (left, *others)]
                if any(SECRETS.search(side) for side in sides):
                    found.append((node.lineno, "a secret compared by ==: use hmac.compare_digest"))
    return [f"{line}: {what}" for line, what in found]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PROJECT / "src")))
def test_nothing_read_is_ever_run(path: Path) -> None:
    allowed = ALLOWED.get(str(path.relative_to(PROJECT / "src")))
    found = [line for line in offences(ast.parse(path.read_text())) if line.rpartition(": ")[2] != allowed]
    assert found == []


@pytest.mark.parametrize(
    "code",
    [
        "import pickle", "from xml.etree import ElementTree", "eval(text)", "exec(text)", "compile(text, '', 'exec')",
        "os.system(text)", "subprocess.run(text, shell=True)", "numpy.load(path, allow_pickle=flag)",
        "if given == self.token: pass", "if token != wanted: pass",
    ],
)  # fmt: skip
def test_each_offence_would_be_found(code: str) -> None:
    assert len(offences(ast.parse(code))) == 1


@pytest.mark.parametrize(
    "code",
    [
        "re.compile(text)",
        "subprocess.run(words, shell=False)",
        "if kind == tokens.NAME: pass",
        "importlib.import_module(name)",
    ],
)
def test_what_is_no_offence(code: str) -> None:
    assert offences(ast.parse(code)) == []


def test_every_requirement_is_pinned_by_its_hash() -> None:
    text = (PROJECT / "requirements.txt").read_text().replace("\\\n", " ")
    rows = [row for row in text.splitlines() if row.strip() and not row.lstrip().startswith("#")]
    assert len(rows) > 10
    for row in rows:
        assert re.match(r"[\w.\[\]-]+==[\w.+!-]+ ", row), row
        assert "--hash=sha256:" in row, row


def test_what_is_installed_fits_together() -> None:
    done = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0 or "No module named pip" in done.stderr, done.stdout


@pytest.mark.parametrize("page", ["threat-model", "testing"])
def test_each_promise_names_a_test_that_exists(page: str) -> None:
    text = (PROJECT / "docs" / f"{page}.md").read_text()
    rows = [row for row in text.splitlines() if re.match(r"\| (?!who|what|room|`\w+/`)", row)]
    named = [re.findall(r"`((?:tests|fuzz)/[\w/]+\.py)::(\w+)`", row) for row in rows]
    assert rows
    assert all(named), [row for row, tests in zip(rows, named, strict=True) if not tests]
    for file, name in (test for tests in named for test in tests):
        tree = ast.parse((PROJECT / file).read_text())
        assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}, f"{file}::{name}"
