"""What a run leaves behind: a Recording of everything that happened, and captures of the moments that matter.

``recording.jsonl`` holds a header line and one event a line, in the order in which they happened; :func:`load` gives
the Recording back. ``before``, ``peak`` and ``after`` hold debugfs and sysfs texts as a real machine's would be
captured: before any queue, with the most queues there ever were, and at the end. ``ringscope explain`` reads the
folder.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from ringscope.errors import InputError
from ringscope.parts import ioctl
from ringscope.recording import Clock, Event, Kind, Value
from ringscope.stack.text import capture

if TYPE_CHECKING:
    from ringscope.snapshot import Snapshot
    from ringscope.virtual.client import Client
    from ringscope.virtual.ring import Dispatch, Flight, Ring

SCHEMA = "ringscope.recording/1"
NAME = "recording.jsonl"
ORIGIN = "virtual"
_BY_NR = {row.nr: row for row in ioctl.IOCTLS}
_POINTERLESS = {"pad"}


class Recorder:
    """Writes a run into ``folder``: made when it is not there, InputError when it cannot be or is not empty.

    The events go to a file aside, which gets its name when the run is over.
    """

    def __init__(self, folder: Path, facts: Mapping[str, Value]) -> None:
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # what a program does is nobody else's business
            if any(folder.iterdir()):
                raise InputError("the folder is not empty", str(folder), "name a new one")
            self._aside = folder / f".{NAME}"
            self._file: TextIO = os.fdopen(os.open(self._aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w")
        except OSError as error:
            raise InputError(f"cannot be written ({error.strerror})", str(folder), "name a writable folder") from error
        self.folder = folder
        self.counters: Counter[str] = Counter()
        self._facts = dict(facts)
        self._peak = 0
        self._line({"schema": SCHEMA, "origin": ORIGIN, "clock": Clock.MONOTONIC.value})

    def _line(self, row: object) -> None:
        self._file.write(json.dumps(row, separators=(",", ":")) + "\n")

    def _event(self, kind: Kind, pid: int | None, attrs: Mapping[str, Value]) -> None:
        self._line([time.monotonic_ns(), kind.value, pid, attrs])
        self.counters[kind.value] += 1

    def driver(self, events: list[Event]) -> None:
        """Take over what the driver logged since the last time."""
        for event in events:
            self._line([event.time_ns, event.kind.value, event.pid, dict(event.attrs)])
            self.counters[event.kind.value] += 1
        events.clear()

    def opened(self, client: Client) -> None:
        """A process opened the driver."""
        self._event(Kind.PROCESS_OPEN, client.pid, {"name": client.name})

    def died(self, client: Client) -> None:
        """A process has gone."""
        self._event(Kind.PROCESS_EXIT, client.pid, {})

    def ioctl(self, client: Client, request: int, arguments: bytes | bytearray, error: int, why: str) -> None:
        """An ioctl was answered: its arguments as they are after the call."""
        row = _BY_NR.get(request & 0xFF)
        attrs: dict[str, Value] = {"name": row.name if row else f"{request & 0xFF:#04x}", "errno": error}
        if why:
            attrs["why"] = why
        if row and len(arguments) >= row.args.size:
            values = row.args.unpack(arguments)
            attrs |= {name: value for name, value in values.items() if name not in _POINTERLESS}
        self._event(Kind.IOCTL, client.pid, attrs)
        self.counters[f"ioctl:{attrs['name']}"] += 1

    def packet(self, ring: Ring, kind: str, attrs: Mapping[str, Value]) -> None:
        """The command processor took a packet."""
        self._event(Kind.PACKET, ring.client.pid, {"qid": ring.number, "index": ring.index, "type": kind, **attrs})
        self.counters[f"packet:{kind}"] += 1

    def dispatch(self, ring: Ring, name: str, how: str, job: Dispatch, flight: Flight | None = None) -> None:
        """A kernel dispatch: carried out (a runtime's own), or timed, when it was sent, began and ended."""
        attrs: dict[str, Value] = {
            "qid": ring.number,
            "index": flight.index if flight else ring.index,
            "kernel": name,
            "grid": ",".join(map(str, job.grid)),
            "workgroup": ",".join(map(str, job.workgroup)),
            "how": how,
        }
        if flight:
            attrs |= {"gpu_id": ring.gpu_id, "sent": flight.sent, "begin": flight.began, "end": flight.ended}
        self._event(Kind.DISPATCH, ring.client.pid, attrs)

    def interrupt(self, client: Client, ring: Ring, event: int) -> None:
        """The GPU raised an interrupt that names an event."""
        self._event(Kind.INTERRUPT, client.pid, {"qid": ring.number, "event": event})

    def fault(self, ring: Ring, why: str) -> None:
        """A queue stopped."""
        self._event(Kind.FAULT, ring.client.pid, {"qid": ring.number, "index": ring.index, "why": why})

    def snapshot(self, snapshot: Snapshot) -> None:
        """Keep what the machine looks like now under the snapshot's label."""
        for path, text in capture(snapshot).items():
            file = self.folder / snapshot.label / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)

    def peak(self, queues: int) -> bool:
        """Whether so many queues are more than at any capture so far."""
        if queues <= self._peak:
            return False
        self._peak = queues
        return True

    def close(self, facts: Mapping[str, Value]) -> None:
        """The run is over: write the counters, give the file its name."""
        self._line({"counters": dict(sorted(self.counters.items())), "facts": self._facts | dict(facts)})
        self._file.close()
        self._aside.rename(self.folder / NAME)
