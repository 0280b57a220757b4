"""Pages for tests: results to make them of, and what a page says read back."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from html import unescape
from typing import Any

from asking import kernels, recorded, ring, told
from machines import machine

from ringscope.join import case_of
from ringscope.recording import Kind, Recording
from ringscope.report import explain
from ringscope.report.markup import duration, figure
from ringscope.report.page import unpacked
from ringscope.snapshot import Snapshot
from ringscope.verdicts import answers

HOSTILE = "</script><script>window.hit=1</script><img src=x onerror=window.hit=1>\"'&\u202egpj.\u200bexe\x1b[31m"


def result(*snapshots: Snapshot, recordings: Sequence[Recording] = (), unread: str = "") -> Any:
    """What ``explain --json`` would print of these."""
    case = case_of(snapshots, tuple(recordings))
    found = explain.data(case, answers(case), [(unread, "no reason")] if unread else [])
    return json.loads(json.dumps(found))


def streams(pids: dict[int, int], each: int) -> Recording:
    """A log in which every process made ``each`` streams, spread over all its queues but ROCr's own."""
    made = [(pid, s, ring(pid, 1 + s % (queues - 1))) for pid, queues in pids.items() for s in range(each)]
    return recorded(
        *(
            told(Kind.STREAM_CREATE, at=at, pid=pid, line=at + 1, stream=0x1000 + 64 * at, ring_base=base, priority=1)
            for at, (pid, _, base) in enumerate(made)
        )
    )


def small() -> Any:
    """Two processes, eleven streams on seven of eight queues, and a trace."""
    snapshot = machine({7001: [7, 7, 11, 0], 7002: [7, 7, 7, 7]})
    slots = [
        told(Kind.OCCUPANCY, at=0, xcc=0, cus=3, waves=12),
        told(Kind.QUEUE_MAP, at=0, pid=7001, qid=1, pipe=0, queue=2),
        told(Kind.QUEUE_UNMAP, at=1, pid=7001, qid=1, pipe=0, queue=2),
        told(Kind.QUEUE_MAP, at=1, pid=7002, qid=1, pipe=0, queue=2),
        told(Kind.OCCUPANCY, at=2, xcc=0, cus=18, waves=72),
    ]
    ran = recorded(*kernels(7001, 0, 2, 40, busy=0.5), *kernels(7002, 1, 3, 3), *slots)
    trace = replace(ran, origin="trace.csv")
    return result(snapshot, recordings=[streams({7001: 4, 7002: 4}, 6), trace], unread="notes.txt")


def large(processes: int = 64, queues: int = 64) -> Any:
    """4096 queues, more than a hundred times what there are slots for."""
    priorities = [7, *[7, 11, 0, 7] * queues][:queues]
    held = {1000 + number: priorities for number in range(processes)}
    logged = [streams(dict.fromkeys(held, queues), 2 * (queues - 1))] if queues > 1 else []
    return result(machine(held, xccs=4), recordings=logged)


def hostile() -> Any:
    """A machine whose every text is out to get the reader."""
    snapshot = machine({7001: [7, 7]}, label=HOSTILE)
    snapshot = replace(
        snapshot, processes=tuple(replace(p, name=HOSTILE) for p in snapshot.processes), notes=(HOSTILE,)
    )
    trace = replace(recorded(told(Kind.DISPATCH, begin=0, end=9, kernel=HOSTILE, pid=1)), origin=HOSTILE)
    return result(snapshot, recordings=[trace], unread=HOSTILE)


def carried(html: bytes) -> Any:
    """The JSON inside a page."""
    found = re.search(rb'id="data">([^<]*)</script>', html)
    assert found
    return unpacked(found[1].decode())


def text_of(html: bytes) -> str:
    """What a page says, without its markup."""
    body = html.decode().split("<body>")[1].split("<script")[0].rsplit("ringscope ", 1)[0]
    return unescape(re.sub(r"<[^>]+>", " ", body))


def words(text: str) -> set[str]:
    """Words of a text that hold a figure."""
    return {word.strip(".:") for word in re.findall(r"[\w.:#+]+", text) if re.search(r"\d", word)}


def _leaves(value: Any) -> Iterator[float | str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item)
    elif isinstance(value, int | float | str):
        yield value


def known(data: Any) -> set[str]:
    """Every figure of a result, in each way in which a page may write it."""
    found: set[str] = set()
    for leaf in _leaves(data):
        if isinstance(leaf, str):
            found |= words(leaf) | words(leaf.removeprefix("0x"))
            continue
        if isinstance(leaf, int):
            found |= {str(leaf), hex(leaf), f"{leaf:x}", explain.size(leaf).split()[0]}
        shares = {figure(leaf), figure(100 * leaf), figure(float(f"{leaf:.2g}")), figure(float(f"{100 * leaf:.2g}"))}
        found |= {duration(leaf).split()[0], *shares}
    return found
