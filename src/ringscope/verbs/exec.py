"""Runs an unmodified ROCm program on a virtual AMD GPU: no GPU, no driver, no root.

Everything after -- is the program with its arguments; its exit code is passed on.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from ringscope.report.terminal import Terminal
from ringscope.verbs import Result
from ringscope.virtual.kernels import Policy


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    parser.add_argument(
        "--gpu", default="mi210", metavar="NAME", help="a device of the catalogue (default: %(default)s)"
    )
    parser.add_argument("--record", type=Path, metavar="DIR", help="write a recording and a capture into DIR")
    parser.add_argument(
        "--kernels", choices=[policy.value for policy in Policy], default=Policy.REFUSE.value,
        help="the program's own kernels are not computed: refuse them, or let them take their modelled time",
    )  # fmt: skip
    parser.add_argument("--fault", action="append", default=[], metavar="SPEC", help="a fault on purpose")
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="-- PROGRAM ARGS", help="what to run")


def run(args: argparse.Namespace) -> Result:
    """Run it."""
    from ringscope.virtual.session import Session

    command = args.command[1:] if args.command[:1] == ["--"] else args.command
    session = Session(args.gpu, Policy(args.kernels), args.record, tuple(args.fault))
    code = session.run(command, os.environ)
    return Result({"schema": 1}, _nothing, code)


def _nothing(_: Terminal) -> str:
    return ""
