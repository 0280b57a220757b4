"""Builds ``docs/notebook.ipynb`` from the page ``docs/notebook.md``, without outputs.

Its ``python`` blocks become cells of code, what stands between them cells of text.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[1] / "docs"
SOURCE, TARGET = DOCS / "notebook.md", DOCS / "notebook.ipynb"
_CODE = re.compile(r"^```python\n(.*?)^```\n", re.DOTALL | re.MULTILINE)


def cells(page: str) -> list[dict[str, Any]]:
    """The cells of a page, in order."""
    pieces = enumerate(piece.strip() for piece in _CODE.split(page))  # text and code by turns
    return [_cell(number, bool(number % 2), piece) for number, piece in pieces if piece]


def _cell(number: int, code: bool, text: str) -> dict[str, Any]:
    base = {"id": f"cell-{number}", "metadata": {}, "source": text}
    if code:
        return base | {"cell_type": "code", "execution_count": None, "outputs": []}
    return base | {"cell_type": "markdown"}


def notebook(page: str) -> str:
    """The notebook as its file has it."""
    kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    whole = {"cells": cells(page), "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    TARGET.write_text(notebook(SOURCE.read_text()))
