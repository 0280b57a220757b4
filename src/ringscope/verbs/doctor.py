"""Says what can be captured here, as this user, what is missing, and the exact remedy for each.

It looks and changes nothing. Exit code 1: something is missing. With --formats it says instead which versions of the
kernel and of ROCm each reader of explain was held against.
"""

from __future__ import annotations

import argparse

from ringscope.capture import checks
from ringscope.capture.checks import Check, Here, Status
from ringscope.errors import EXIT_CLEAN, EXIT_FINDINGS, InputError
from ringscope.evidence import drift
from ringscope.report.terminal import Terminal, wrapped
from ringscope.verbs import Result

SCHEMA = "ringscope.doctor/1"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    parser.add_argument(
        "only", nargs="*", metavar="CHECK", help="only these checks, or groups (debugfs, driver.device)"
    )
    parser.add_argument("--formats", action="store_true", help="say what each reader of files was held against")


def run(args: argparse.Namespace) -> Result:
    """Check and tell."""
    if args.formats:
        return known()
    return examined(Here(), tuple(args.only))


def known() -> Result:
    """The formats that are read."""
    held = drift.formats()

    def text(terminal: Terminal) -> str:
        width = max(map(len, held))
        lines = []
        for name, what in held.items():
            lines += wrapped(f"{terminal.bold(name.ljust(width))}  ", what.versions, terminal.width, width + 2)
            lines += [terminal.dim(line) for line in wrapped(" " * (width + 2), f"by {what.by}", terminal.width)]
        return "\n".join([*lines, "", "What is newer is kept as it stands, and explain names it."])

    formats = [{"reader": name, "versions": what.versions, "by": what.by} for name, what in held.items()]
    return Result({"schema": f"{SCHEMA}#formats", "formats": formats}, text)


def examined(here: Here, only: tuple[str, ...] = ()) -> Result:
    """The checks of one machine; InputError when ``only`` names none of them."""
    found = checks.run(here)
    for name in only:
        if not any(_named(check, name) for check in found):
            raise InputError(f"no check {name!r}", todo=f"the checks are {', '.join(check.name for check in found)}")
    told = tuple(check for check in found if not only or any(_named(check, name) for name in only))
    missing = any(check.status is Status.MISSING for check in told)
    return Result(
        {
            "schema": SCHEMA,
            "checks": [
                {"name": c.name, "status": c.status.value, "found": c.found, "remedy": c.remedy or None} for c in told
            ],
        },
        lambda terminal: _text(told, terminal),
        EXIT_FINDINGS if missing else EXIT_CLEAN,
    )


def _named(check: Check, name: str) -> bool:
    return name in (check.name, check.name.split(".")[0])


def _text(told: tuple[Check, ...], terminal: Terminal) -> str:
    paint = {Status.OK: terminal.good, Status.MISSING: terminal.bad, Status.NOTE: terminal.unsure}
    width = max(len(check.name) for check in told)
    lines = []
    for check in told:
        lead = f"{paint[check.status](check.status.value.ljust(7))}  {check.name.ljust(width)}  "
        lines += wrapped(lead, check.found, terminal.width, width + 11)
        if check.remedy:
            lines += wrapped(" " * (width + 11) + "→ ", check.remedy, terminal.width)
    counts = {status: sum(check.status is status for check in told) for status in Status}
    lines += ["", f"{counts[Status.OK]} ok, {counts[Status.MISSING]} missing, {counts[Status.NOTE]} to know"]
    return "\n".join(lines)
