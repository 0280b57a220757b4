"""Runs an unmodified ROCm program on a virtual AMD GPU: no GPU, no driver, no root.

Everything after -- is the program with its arguments; its exit code is passed on.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from ringscope.verbs import Result
from ringscope.virtual import session
from ringscope.virtual.injection import KINDS
from ringscope.virtual.kernels import Policy
from ringscope.virtual.session import Options


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
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="SPEC",
        help=f"break something: KIND[@POINT:N][=VALUE], KIND one of {', '.join(KINDS)}; may be given several times",
    )
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="-- PROGRAM ARGS", help="what to run")


def run(args: argparse.Namespace) -> Result:
    """Run it."""
    command = args.command[1:] if args.command[:1] == ["--"] else args.command
    options = Options(args.gpu, Policy(args.kernels), args.record, tuple(args.fault))
    code = session.run(options, command, os.environ)
    return Result({"schema": "ringscope.exec/1", "exit_code": code}, lambda _: "", code)
