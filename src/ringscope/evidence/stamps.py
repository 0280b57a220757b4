"""When a line of kernel text was written, through whatever printed it: dmesg, journalctl, syslog or ftrace.

======================================  ==============================================  ================
written by                              begins like                                     clock
======================================  ==============================================  ================
dmesg, journalctl -o short-monotonic    ``[  123.456789]`` (also after a syslog stamp)  SCHED
dmesg -T                                ``[Fri Jan 30 11:14:39 2026]``                  REALTIME, as UTC
dmesg --time-format iso, short-iso      ``2026-01-30T11:14:39,123456+0800``             REALTIME
journalctl, syslog                      ``Jan 30 11:14:39 host kernel:``                UNKNOWN: no year
ftrace                                  ``task-123 [001] d..2. 123.456789:``            SCHED
dmesg -d, a foreign month, nothing      ``[  +0.000123]``, ``kvě 25 19:29:57 host``     UNKNOWN, time 0
======================================  ==============================================  ================

ftrace can be told another clock (``trace_clock``), which its text does not say; ``local``, the default, is assumed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import NamedTuple

from ringscope.recording import Clock

_MONTHS = {name: number for number, name in enumerate(b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(), 1)}
_SECOND_NS = 1_000_000_000
_LEAP_YEAR = 1972  # in which a stamp without a year is placed, so that 29 February exists

_TIME = rb"(\d\d):(\d\d):(\d\d)"
_FTRACE = re.compile(
    rb" {0,32}(?:\S.{0,24}?)-(?P<tid>\d{1,8}) +(?:\( *(?P<tgid>\d{1,8}|-{1,8})\) +)?\[\d{1,5}\] +"
    rb"(?:[\w.!#*+$@-]{3,6} +)?(?P<seconds>\d{1,10})\.(?P<fraction>\d{6,9}): +"
)
_KERNEL = re.compile(rb"\[ {0,12}(\d{1,10})\.(\d{6})\](?:\[ {0,8}[TC]\d{1,8}\])? ?")
_DELTA = re.compile(rb"\[ {0,12}\+\d{1,10}\.\d{6}\] ?")
_HUMAN = re.compile(rb"\[\w{3} ([A-Z][a-z]{2}) +(\d{1,2}) " + _TIME + rb" (\d{4})\] ?")
_ISO = re.compile(
    rb"(\d{4})-(\d\d)-(\d\d)[T ]" + _TIME + rb"(?:[.,](\d{1,9}))?(Z|[+-]\d\d:?\d\d)?(?: [A-Z]{2,5})?(?= )"
)
_SYSLOG = re.compile(rb"([A-Z][a-z]{2}) +(\d{1,2}) " + _TIME + rb"(?= )")
# A line of a kernel log, whoever wrote it: what tells such a text from any other.
STAMP = re.compile(rb"^[^\[\n]{0,128}(?:kernel: |\[ {0,12}\d{1,10}\.\d{6}\]|\[\w{3} \w{3} +\d)", re.MULTILINE)
_FROM_KERNEL = re.compile(rb"(?:^|[ :])kernel: ?")
# The dash between a task's name and its thread is within these first bytes.
_COMM_BYTES = 32 + 1 + 24 + 1
# A stamp stands within these first bytes of its line, after a host's name or a log level at most.
_STAMP_BYTES = 160


class Stamped(NamedTuple):
    """One line: its time, the message, and for ftrace the thread and, where recorded, the process."""

    time_ns: int
    clock: Clock
    text: bytes
    tid: int | None = None
    pid: int | None = None


def stamped(line: bytes) -> Stamped:
    """The line without its stamp; never fails."""
    if line.find(b"-", 1, _COMM_BYTES) > 0 and (found := _FTRACE.match(line)):
        time_ns = int(found["seconds"]) * _SECOND_NS + _fraction(found["fraction"])
        tgid = found["tgid"]
        pid = int(tgid) if tgid and tgid.isdigit() else None
        return Stamped(time_ns, Clock.SCHED, line[found.end() :].rstrip(), int(found["tid"]), pid)
    head = line[:_STAMP_BYTES]
    for pattern, clock, time_of in _KINDS:
        if found := pattern.search(head):
            time = time_of(found)
            return Stamped(time or 0, Clock.UNKNOWN if time is None else clock, _message(line[found.end() :]))
    return Stamped(0, Clock.UNKNOWN, _message(line))


def _message(text: bytes) -> bytes:
    kernel = _FROM_KERNEL.search(text[:_STAMP_BYTES]) if b"kernel:" in text else None
    return (text[kernel.end() :] if kernel else text).strip()


def _fraction(digits: bytes) -> int:
    return int(digits.ljust(9, b"0"))


def _since_boot(found: re.Match[bytes]) -> int | None:
    return int(found[1] + found[2]) * 1000


def _wall(year: int, month: int, day: int, time: tuple[bytes, ...], zone: timezone = UTC) -> int | None:
    hour, minute, second = map(int, time)
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=zone)
    except ValueError:
        return None
    return round(moment.timestamp()) * _SECOND_NS


def _human(found: re.Match[bytes]) -> int | None:
    month, day, *time, year = found.groups()
    return _wall(int(year), _MONTHS.get(month, 0), int(day), tuple(time))


def _iso(found: re.Match[bytes]) -> int | None:
    zone = UTC
    if found[8] and found[8] != b"Z":
        digits = found[8][1:].replace(b":", b"")
        minutes = int(digits[:2]) * 60 + int(digits[2:])
        if minutes >= 24 * 60:
            return None
        zone = timezone(timedelta(minutes=-minutes if found[8].startswith(b"-") else minutes))
    year, month, day = (int(found[i]) for i in range(1, 4))
    whole = _wall(year, month, day, found.groups()[3:6], zone)
    return None if whole is None else whole + (_fraction(found[7]) if found[7] else 0)


def _syslog(found: re.Match[bytes]) -> int | None:
    month, day, *time = found.groups()
    return _wall(_LEAP_YEAR, _MONTHS.get(month, 0), int(day), tuple(time))


# The kernel's own stamp is the sharpest, so it is looked for first, also behind a syslog stamp.
_KINDS: tuple[tuple[re.Pattern[bytes], Clock, Callable[[re.Match[bytes]], int | None]], ...] = (
    (_KERNEL, Clock.SCHED, _since_boot),
    (_DELTA, Clock.UNKNOWN, lambda found: 0),
    (_HUMAN, Clock.REALTIME, _human),
    (_ISO, Clock.REALTIME, _iso),
    (_SYSLOG, Clock.UNKNOWN, _syslog),
)
