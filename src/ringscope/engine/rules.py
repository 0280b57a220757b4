"""A user's own rule in place of one that only the firmware knows.

A rule is a Python function over :class:`ringscope.engine.state.State` that makes one choice and changes nothing::

    from ringscope.engine.rules import Rules, has_work

    def lowest_first(s, i):
        "Pipe i serves the lowest-numbered queue of its slots that has work."
        pipe = s.pipe[i]
        best = -1
        for turn in range(s.g[0].pipe_slots):
            slot = s.pipe_slot[pipe.local, turn]
            if slot >= 0 and s.slot[slot] >= 0:
                q = s.slot[slot]
                if has_work(s, q, pipe.xcc) and (best < 0 or q < best):
                    best = q
        return best

    Engine(spec, rules=Rules(connect=lowest_first)).run(1_000_000)

The engine's text is then compiled once more, in memory, with the rule in it; nothing of that is kept for
other runs. With ``compiled=False`` the same text runs as plain Python, about a thousand times slower, so that a rule
can be printed from and stepped through. Whatever a rule returns is checked: what cannot be done counts as "none".

Rules read records by attribute (``s.queue[q].first``); :mod:`.state` says what is in them. They may call
:func:`has_work` and :func:`fits`, the engine's own rules, and functions compiled by ``numba.njit`` that call none of
these. What a rule decides must follow from the state: then the same spec gives the same bytes with it, too.
"""

# Numba types the engine; to mypy its records are Any.
# mypy: disable-error-code="no-any-return"

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, cast

import numpy as np

from ringscope.engine import native
from ringscope.engine.codes import MAPPED, UNMAPPED, State
from ringscope.engine.compute_units import fits, next_pipe
from ringscope.engine.pipes import has_work, next_queue
from ringscope.engine.schedulers import longest_mapped, longest_waiting
from ringscope.engine.slots import free_slot, take_slot
from ringscope.records import dataclass

__all__ = ["Rules", "fits", "has_work", "longest_mapped", "longest_waiting", "next_pipe", "next_queue"]

Rule = Callable[..., int]


@dataclass(frozen=True)
class Rules:
    """What to replace; None leaves the policy of the spec in force.

    Attributes:
        connect: ``(s, i)``: the queue that pipe ``i`` (of all XCCs) serves next, of those in its slots that have work;
            -1 for none. Asked when a pipe has nothing to do, and while it places when the queue quantum is over. The
            built-in one is :func:`next_queue`.
        dispatch: ``(s, xcc)``: the pipe (of that XCC) that places the next workgroup, of the bits of
            ``s.xcc[xcc].placing``; -1 for none. One of the bits of ``blocked`` found no room, and ends the instant's
            placing. The built-in one is :func:`next_pipe`.
        place: ``(s, i, q, need)``: the row of ``s.cu`` on which pipe ``i`` places a workgroup of queue ``q``; -1 to
            wait until something is freed on that XCC. ``s.cu[row]`` is its free room (see :func:`fits`); those of
            shader engine ``e`` of XCC ``x`` begin at ``(x * ses + e) * cus_stride``.
        map_next: ``(s)``: the queue to be mapped next, -1 for none. CPSCH asks for a share of the runlist, again and
            again until there is no slot or VMID left; MES and NOCPSCH whenever queues wait, but not at time zero. The
            built-in one of the latter is :func:`longest_waiting`.
        evict: ``(s, idle, before)``: the mapped queue that gives way under MES: one without packets where ``idle`` is
            1, else one mapped no later than ``before``; -1 for none. The built-in one is :func:`longest_mapped`.
        compiled: False runs the engine as plain Python.
    """

    connect: Rule | None = None
    dispatch: Rule | None = None
    place: Rule | None = None
    map_next: Rule | None = None
    evict: Rule | None = None
    compiled: bool = True

    @property
    def run(self) -> native.Run:
        """The engine with these rules."""
        return _text(self)


# ---- what stands between a rule and the engine: a choice that cannot be carried out is none ---------------------
def checked_connect(s: State, i: int) -> int:
    """The rule's queue, if it is in a slot of the pipe and has work."""
    q = rule_connect(s, i)
    if q < 0 or q >= s.g[0].queues:
        return -1
    queue = s.queue[q]
    if queue.slot >= 0 and queue.pipe == s.pipe[i].local and has_work(s, q, s.pipe[i].xcc):
        return q
    return -1


def checked_dispatch(s: State, xcc: int) -> int:
    """The rule's pipe, if it has a workgroup to place."""
    local = rule_dispatch(s, xcc)
    if 0 <= local < s.g[0].pipes and (s.xcc[xcc].placing >> local) & 1:
        return local
    return -1


def checked_place(s: State, i: int, k: int, need: int) -> int:
    """The rule's CU as the CU of its shader engine, if the queue may use it and it has room."""
    g = s.g[0]
    pipe = s.pipe[i]
    cu = rule_place(s, i, pipe.queue, need)
    first = pipe.xcc * g.ses * g.cus_stride
    if cu < first or cu >= first + g.ses * g.cus_stride or not fits(s.cu[cu], need):
        return -1
    e = cu // g.cus_stride
    c = cu - e * g.cus_stride
    if (s.mask[s.queue[pipe.queue].mask, e] >> c) & 1 == 0:
        return -1
    s.share[k].engine_turn = e - pipe.xcc * g.ses
    return c


def never_known_full(s: State, i: int, k: int) -> bool:
    """Only the rule knows where a workgroup may go."""
    return False


def checked_map_next(s: State) -> int:
    """The rule's queue, if it waits to be mapped."""
    q = rule_map_next(s)
    if q < 0 or q >= s.g[0].queues:
        return -1
    queue = s.queue[q]
    if queue.engine < 0 and queue.active != 0 and queue.state == UNMAPPED and queue.slot < 0 and queue.waiting >= 0:
        return q
    return -1


def chosen_share(s: State) -> None:
    """The runlist's next share is what the rule names, one queue after another."""
    g = s.g[0]
    for _ in range(g.slots):
        q = rule_map_next(s)
        if q < 0 or q >= g.queues:
            return
        queue = s.queue[q]
        if queue.engine >= 0 or queue.active == 0 or queue.slot >= 0:
            return
        slot = free_slot(s, q)
        if slot < 0:
            return
        take_slot(s, q, slot)
        g.cursor = queue.rank


def checked_evict(s: State, idle: int, before: int) -> int:
    """The rule's queue, if it may be unmapped."""
    q = rule_evict(s, idle, before)
    if q < 0 or q >= s.g[0].queues:
        return -1
    queue = s.queue[q]
    if queue.slot >= 0 and queue.state == MAPPED and queue.mapped_at <= before and (idle == 0 or queue.first < 0):
        return q
    return -1


def _plain_lowest(mask: int) -> int:
    return (int(mask) & -int(mask)).bit_length() - 1


# What the processor does in an instruction, in Python.
_PLAIN: dict[str, Callable[[int], int]] = {"lowest": _plain_lowest, "at": int}


# Each hook's checks, and the function of the engine in whose place they stand.
_CHECKS: dict[str, dict[str, Callable[..., Any]]] = {
    "connect": {"next_queue": checked_connect},
    "dispatch": {"next_pipe": checked_dispatch},
    "place": {"find_cu": checked_place, "known_full": never_known_full},
    "map_next": {"longest_waiting": checked_map_next, "choose_share": chosen_share},
    "evict": {"longest_mapped": checked_evict},
}
# Bound in the private text; named here for those who read the checks.
rule_connect = rule_dispatch = rule_place = rule_map_next = rule_evict = cast("Any", None)


@lru_cache(maxsize=8)
def _text(rules: Rules) -> native.Run:
    """A copy of all rooms' functions that call each other and the rules."""
    names = native.names()
    engine = native.text()
    made = native.compiled if rules.compiled else native.among
    names |= {name: made(function, names) for name, function in engine.items()}
    if not rules.compiled:
        names |= _PLAIN
    private = {id(function): names[name] for name, function in engine.items()}
    for hook, replaced in _CHECKS.items():
        rule = getattr(rules, hook)
        if rule is None:
            continue
        rule = getattr(rule, "py_func", rule)
        known = {name: private.get(id(value), value) for name, value in rule.__globals__.items()}
        # A built-in rule given as a user's still calls what it called.
        original = {name: value for name, value in names.items() if name not in known}
        names[f"rule_{hook}"] = made(rule, original | known)
        for name, check in replaced.items():
            names[name] = made(check, names)
    if rules.compiled:
        return native.Loaded(native.machine_code(names))

    def plainly(state: State, _: object, until: int) -> int:
        return int(names["run"](type(state)(*(_attributes(array) for array in state)), until))

    return plainly


def _attributes(array: Any) -> Any:
    """The same memory, its records' fields readable as attributes."""
    return array.view(np.recarray) if array.dtype.names else array
