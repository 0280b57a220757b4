"""The rows of a calibration among those that the model is held against: fitted ones stay fitted, the others predicted.

Each is played again, so a fit that another engine made shows how it does now.
"""

from __future__ import annotations

import math
from functools import partial

from ringscope.errors import InputError
from ringscope.scenario import fit as fits
from ringscope.scenario.build import build
from ringscope.scenario.outcome import simulate
from ringscope.scenario.schema import of_row
from ringscope.scenario.studies.study import Desk
from ringscope.scenario.sweep.results import results
from ringscope.scenario.validate import Row


def rows(fit: fits.Fit) -> tuple[Row, ...]:
    """A row a measured one; its scenario brings its own policies, so the desk's do not count."""
    keys = ", ".join(parameter.key for parameter in fit.parameters)
    return tuple(
        Row(
            f"{fit.name}/{row.id}",
            f"{row.measure} of a calibration's scenario",
            row.measured,
            "ns" if row.measure.endswith("_ns") else "",
            f"rows of the fit {fit.name!r}",
            partial(_model, fit, row),
            fitted=keys if row.fitted else "",
            family=f"calibration {fit.name!r}",
        )
        for row in fit.rows
    )


def _model(fit: fits.Fit, row: fits.Row, desk: Desk) -> float:
    outcome = results(simulate(build(of_row(fit, row))))
    if row.measure not in outcome:
        raise InputError(f"there is no measure {row.measure!r}", f"{fit.name}: row {row.id!r}")
    found = outcome[row.measure]
    return math.nan if found is None else float(found)
