"""Takes evidence on this machine, once, at the moments that matter, into one file that opens anywhere.

With --during it runs the program and looks before it, when its queues have appeared, under load, and after it;
otherwise it looks once, now. What may not be read is left out and listed with the reason: `ringscope doctor` says how
to get it. The program's runtime log is taken too, at AMD_LOG_LEVEL=3 unless that is set. Open it by `ringscope explain
FILE`.

  sudo ringscope capture -o bundle.tar.gz
  sudo ringscope capture --every 0.5s -o bundle.tar.gz --during -- ./app 16

Exit code 3: something could not be read.
"""

from __future__ import annotations

import argparse
import importlib
import os
import re
import time
from contextlib import suppress
from pathlib import Path

from ringscope import log
from ringscope.capture import bundle
from ringscope.capture.paths import Paths
from ringscope.capture.session import Captured, Plan, capture
from ringscope.errors import EXIT_CLEAN, EXIT_INSUFFICIENT, InputError
from ringscope.report.files import write_aside
from ringscope.report.terminal import Terminal, columns, wrapped
from ringscope.verbs import Result

SCHEMA = "ringscope.capture/1"
SUFFIXES = (".tar.gz", ".tgz", ".tar.zst")
SHORTEST_S = 0.05


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    parser.add_argument("--every", metavar="TIME", help="look under load every so often, as in 0.5s or 2min")
    parser.add_argument(
        "--redact", action="store_true", help="leave out names of users and hosts, paths, command lines"
    )
    parser.add_argument("--during", action="store_true", help="run the program behind -- and watch it to its end")
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="-- PROGRAM ARGS", help="what to run")


def run(args: argparse.Namespace) -> Result:
    """Capture, write."""
    command = tuple(args.command[1:] if args.command[:1] == ["--"] else args.command)
    if args.during and not command:
        raise InputError("--during without a program", todo="write it behind --, as in capture --during -- ./app")
    if command and not args.during:
        raise InputError("a program without --during", todo="ringscope capture --during -- ./app")
    if args.every and not args.during:
        raise InputError("--every without a program", todo="ringscope capture --every 0.5s --during -- ./app")
    target = args.output or Path(time.strftime("ringscope-%Y%m%d-%H%M%S.tar.gz"))
    if not target.name.endswith(SUFFIXES):
        raise InputError(f"a bundle is a {SUFFIXES[0]} or {SUFFIXES[-1]}", str(target), "name it so")
    if zst := target.name.endswith(".zst"):
        importlib.import_module("zstandard")  # missing, it is said now and not when the program has run
    if not target.parent.is_dir() or not os.access(target.parent, os.W_OK):
        raise InputError("cannot be written there", str(target), "name a writable folder")
    args.output = None  # it names the bundle; what is printed goes to the terminal
    plan = Plan(command, seconds(args.every) if args.every else None, args.redact)
    taken = capture(plan, Paths(), os.environ, log.info)
    data = bundle.packed(taken.files, taken.about, re.sub(r"\.(tgz|tar\.gz|tar\.zst)$", "", target.name), zst)
    write_aside(target, data)
    if sudo := os.environ.get("SUDO_UID", ""):  # who asked for it must be able to send it
        with suppress(OSError, ValueError):
            os.chown(target, int(sudo), int(os.environ.get("SUDO_GID", sudo)))
    return Result(
        {"schema": SCHEMA, "bundle": str(target), "bytes": len(data), "files": len(taken.files), **taken.about},
        lambda terminal: _text(taken, target, len(data), terminal),
        EXIT_INSUFFICIENT if taken.about["unread"] else EXIT_CLEAN,
    )


def seconds(text: str, option: str = "--every") -> float:
    """A distance in time from ``0.5s``, ``500ms`` or ``2min``; InputError when it is none or too short."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s|min)?", text.strip())
    value = float(found[1]) * {"ms": 1e-3, "s": 1.0, "min": 60.0}[found[2] or "s"] if found else 0.0
    if value < SHORTEST_S:
        raise InputError(f"{text!r} is no time of at least {SHORTEST_S} s", option, "give it as in 0.5s")
    return value


def _text(taken: Captured, target: Path, size: int, terminal: Terminal) -> str:
    rows = [
        (
            moment["folder"],
            f"{(moment['begin']['monotonic_ns'] - taken.about['clocks']['begin']['monotonic_ns']) / 1e9:.1f} s",
            f"{sum(moment['read_ns'].values()) / 1e6:.1f} ms in debugfs" if moment["read_ns"] else "no debugfs",
            f"changed meanwhile: {'; '.join(moment['changed'])}" if moment["changed"] else "still",
        )
        for moment in taken.about["snapshots"]
    ]
    lines = [f"{terminal.bold(str(target))}  {len(taken.files)} files, {size / 1000:.0f} kB", "", *columns(rows)]
    if taken.exit_code is not None:
        lines += ["", f"  The program ended with exit code {taken.exit_code}."]
    if taken.about["unread"]:
        lines += ["", terminal.unsure("  not read")]
        for row in taken.about["unread"]:
            lines += wrapped(f"    {row['path']}  ", row["why"], terminal.width)
        lines.append(f"  {terminal.bold('ringscope doctor')} says how to get them.")
    if any(moment["read_ns"] for moment in taken.about["snapshots"]):
        lines += [
            "",
            *(terminal.dim(row) for row in wrapped("  Reading disturbs: ", taken.about["disturbs"], terminal.width)),
        ]
    return "\n".join([*lines, "", f"  try: {terminal.bold(f'ringscope explain {target}')}"])
