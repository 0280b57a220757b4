"""Experiments of the research notes, each a file: a question, scenarios, a table, a conclusion computed from it.

A module here is a study: its function takes a :class:`~ringscope.scenario.studies.study.Desk`, plays scenarios on it
and returns tables, charts and sentences that are made from the figures in those tables. Nothing that a study says is
written down beforehand: under another reading of the firmware's rules it may say the opposite. What the notes measured
stands in :mod:`.notes`; what their undescribed workload is taken to be, in :mod:`.workload`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from ringscope.errors import InputError

if TYPE_CHECKING:
    from ringscope.scenario.studies.study import Study

NAMES = (
    "multi-process",
    "five-schemes",
    "missing-throughput",
    "priority",
    "stream-limits",
    "over-subscription",
    "cu-limit",
    "mes-vs-cpsch",
    "num-kcq",
    "queue-reuse",
    "ring-mapping",
    "preemption",
)
"""Every study, in the order in which they are best read."""


def find(name: str) -> Study:
    """The study of that name; InputError when there is none."""
    if name not in NAMES:
        raise InputError(f"no study {name!r}", todo=f"the studies are {', '.join(NAMES)}")
    module = import_module(f"ringscope.scenario.studies.{name.replace('-', '_')}")
    found: Study = module.STUDY
    return found
