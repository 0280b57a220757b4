"""The notebook in docs: it is what its plain cells say, and it runs."""

import importlib.util
import json
import os
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("notebook", ROOT / "scripts" / "notebook.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_is_built_from_its_page(script: ModuleType) -> None:
    assert script.TARGET.read_text() == script.notebook(script.SOURCE.read_text()), "run scripts/notebook.py"
    assert all(not cell.get("outputs") for cell in json.loads(script.TARGET.read_text())["cells"])


def test_cells_of_text_and_code(script: ModuleType) -> None:
    text, code = script.cells("# Title\n\nwords\n\n```python\nx = 1\n# a comment\n```\n")
    assert (text["cell_type"], text["source"]) == ("markdown", "# Title\n\nwords")
    assert (code["cell_type"], code["source"]) == ("code", "x = 1\n# a comment")


def shown(cell: Any) -> str:
    """What a cell shows, as HTML where it has that."""
    said = [out.get("data", {}) for out in cell.outputs if out.output_type != "stream"]
    return "".join(str(data.get("text/html", "")) for data in said) + "".join(
        out.text for out in cell.outputs if out.output_type == "stream"
    )


def test_it_runs_and_every_result_shows_itself(script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("numba", "polars", "ipykernel"):
        pytest.importorskip(module)
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]))
    book = nbformat.reads(script.TARGET.read_text(), as_version=4)
    nbformat.validate(book)
    client = nbclient.NotebookClient(book, timeout=600, resources={"metadata": {"path": str(ROOT)}})
    client.execute()
    code = [cell for cell in book.cells if cell.cell_type == "code"]
    assert all("<table" in shown(cell) for cell in code[:-1])
    assert "HIP #1" in shown(code[1]) and "Over-subscribed?" in shown(code[2]) and "queue-map" in shown(code[4])
    real = shown(code[-1])
    assert ("94314" in real) == (ROOT / ".." / "shared" / "data" / "mi308x").is_dir(), real
