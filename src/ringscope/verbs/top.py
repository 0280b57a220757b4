"""Shows this machine's queues as they go: who holds them, in which slots, at which priority, how many packets each
fetches a second, which is stuck and for how long, over-subscription, and what the driver puts on the HIQ.

Queues and slots are in debugfs, which is root's; anybody else sees what sysfs tells, and what is missing is said. Under
`ringscope exec` it shows the virtual GPU. Reading debugfs holds each process's queue lock for a moment and walks the
slots; that is done every --interval, and never for more than one hundredth of the time.

  sudo ringscope top
  sudo ringscope top --once --json | jq .oldest_stuck
  ringscope exec --gpu mi308x --kernels time -- bash -c './app & ringscope top'

Keys: q quits, ? explains, v queues or processes, s sorts, p pauses. Exit codes of --once: 1 a device is over-subscribed
or a queue stuck, 3 something that would tell could not be read.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from typing import Any

from ringscope.capture.paths import Paths
from ringscope.errors import EXIT_CLEAN, EXIT_FINDINGS, EXIT_INSUFFICIENT, InputError
from ringscope.report import live
from ringscope.verbs import Result
from ringscope.verbs.capture import seconds
from ringscope.verbs.watch import Machine

MOST_OF_TIME = 0.01
"""Share of the time that may go into reading debugfs."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    parser.add_argument("--interval", default="5s", metavar="TIME", help="between readings (default: %(default)s)")
    parser.add_argument("--once", action="store_true", help="read twice, --interval apart, print, and end")


def run(args: argparse.Namespace) -> Result:
    """Read once, or show until told to stop."""
    interval_s = seconds(args.interval, "--interval")
    reading = readings(Paths())
    first = reading()
    if args.once or args.json or args.output:
        time.sleep(interval_s)
        found = reading()
        lacks = {"mqds", "hqds"} - set(found["sources"])
        code = EXIT_FINDINGS if live.findings(found) else EXIT_INSUFFICIENT if lacks else EXIT_CLEAN
        return Result(found, lambda terminal: live.text(found, terminal), code)
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise InputError("there is no terminal here", todo="ringscope top --once")
    show(first, reading, interval_s)
    return Result(first, lambda _: "")


def readings(paths: Paths) -> Callable[[], dict[str, Any]]:
    """What reads the machine anew each time it is called, and says how it got on since the call before."""
    machine = Machine(paths)

    def read() -> dict[str, Any]:
        progress, taken = machine.read()
        return live.data(progress, taken.unread, taken.changed, taken.read_ns)

    return read


def rest_s(found: live.Json, interval_s: float) -> float:
    """How long to leave the machine alone after a reading."""
    spent_ns: int = sum(found["read_ns"].values())
    return max(interval_s, spent_ns / 1e9 / MOST_OF_TIME)


def show(first: dict[str, Any], reading: Callable[[], dict[str, Any]], interval_s: float) -> None:
    """The screen, until its user quits; InputError when the machine can no longer be read."""
    from ringscope.report.screen import Screen  # noqa: PLC0415  its library is an extra, and slow to import

    failed = Screen(first, reading, lambda found: rest_s(found, interval_s)).run(mouse=False)
    if failed is not None:
        raise failed
