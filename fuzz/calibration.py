"""A calibration file; a digest that is left out is put in, so that what lies behind it is reached."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

from fuzz import held
from ringscope.scenario import fit

_PARAMETER = {
    "key": "costs.packet", "unit": "ns", "value": 500.0, "deviation": 2.0, "low95": 496.0, "high95": 504.0,
    "low": 100.0, "high": 9000.0,
}  # fmt: skip
_ROW = {
    "id": "a",
    "measure": "mean_ns",
    "measured": 80e3,
    "uncertainty": 0.05,
    "fitted": True,
    "model": 80e3,
    "values": {},
}
_BODY = {
    "schema": fit.SCHEMA, "name": "made", "parameters": [_PARAMETER, _PARAMETER], "rows": [_ROW], "method": "lsq",
    "correlation": [[1.0, 0.5], [0.5, 1.0]], "data": [{"file": "rows.toml", "sha256": "0" * 64}], "engine": "0.1.0+0",
}  # fmt: skip


def seeds() -> Iterator[bytes]:
    """A whole file, and one with a digest that is wrong."""
    yield json.dumps(_BODY).encode()
    yield json.dumps(_BODY | {"sha256": "0" * 64}).encode()


def one(data: bytes) -> None:
    """Load it from a file that has no name; use what it gives."""
    try:
        body = json.loads(data)
        if isinstance(body, dict) and "sha256" not in body:
            data = json.dumps(body | {"sha256": fit._digest(body)}).encode()
    except (ValueError, RecursionError):
        pass
    handle = os.memfd_create("fuzz")
    try:
        os.write(handle, data)
        found = held(lambda: fit.load(Path(f"/proc/self/fd/{handle}")))
    finally:
        os.close(handle)
    if isinstance(found, fit.Fit):
        held(lambda: [(parameter.at_end, parameter.written) for parameter in found.parameters])
