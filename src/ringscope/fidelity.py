"""The fidelity table: every modelled behaviour, what it rests on, what it holds for and the test that holds it.

Nothing is stated here: each row is the annotation of the module that models it (``FIDELITY``, see
:mod:`ringscope.parts.fidelity`), collected from the modules of :data:`ANNOTATED`.
"""

from __future__ import annotations

from importlib import import_module

from ringscope.parts.fidelity import Behaviour

ANNOTATED = (
    "parts.catalogue",
    "parts.mqd",
    "parts.pm4",
    "stack.rocm",
    "stack.hip",
    "stack.rocr",
    "stack.thunk",
    "stack.machine",
    "stack.kfd.queue_ids",
    "stack.kfd.doorbells",
    "stack.kfd.mqd",
    "stack.kfd.runlist",
    "stack.kfd.hiq",
    "stack.kfd.topology",
    "stack.kfd.scheduler.cpsch",
    "stack.kfd.scheduler.nocpsch",
    "stack.kfd.scheduler.mes",
    "stack.kfd.scheduler.variants",
    "stack.firmware",
    "engine.spec",
    "engine.policies",
    "engine.costs",
    "scenario.launch",
    "join.intervals",
    "virtual.aql",
    "virtual.sdma",
    "virtual.pm4",
    "virtual.kernels",
    "virtual.files",
)
"""Modules that say how well they are known, from the table of parts up to the virtual GPU."""


def table() -> tuple[Behaviour, ...]:
    """Every annotated behaviour, in the order of :data:`ANNOTATED`; imports the whole model."""
    rows: list[Behaviour] = []
    for name in ANNOTATED:
        rows += import_module(f"ringscope.{name}").FIDELITY
    return tuple(rows)
