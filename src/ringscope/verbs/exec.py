"""Runs an unmodified ROCm program on a virtual AMD GPU: no GPU, no driver, no root.

Everything after -- is the program with its arguments; its exit code is passed on.
"""

from __future__ import annotations

import argparse
import os
import shlex
from contextlib import ExitStack

from ringscope import log
from ringscope.errors import InputError
from ringscope.records import replace
from ringscope.verbs import Result, path, picture_options
from ringscope.virtual import session
from ringscope.virtual.injection import KINDS, time_ns
from ringscope.virtual.kernels import WORKGROUP_NS, Policy
from ringscope.virtual.session import Options

LONGEST_NS = 2_000_000_000


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    parser.add_argument(
        "--gpu", default="mi210", metavar="NAME", help="a device of the catalogue (default: %(default)s)"
    )
    parser.add_argument("--record", type=path, metavar="DIR", help="write a recording and a capture into DIR")
    parser.add_argument(
        "--kernels", choices=[policy.value for policy in Policy], default=Policy.REFUSE.value,
        help="the program's own kernels are not computed: refuse them, or let them take their modelled time",
    )  # fmt: skip
    parser.add_argument(
        "--workgroup-time", default=f"{WORKGROUP_NS // 1000}us", metavar="TIME",
        help="what a workgroup of such a kernel lasts under --kernels time (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="SPEC",
        help=f"break something: KIND[@POINT:N][=VALUE], KIND one of {', '.join(KINDS)}; may be given several times",
    )
    picture_options(parser, "html", "perfetto")
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="-- PROGRAM ARGS", help="what to run")


def run(args: argparse.Namespace) -> Result:
    """Run it; a picture takes a recording, which is kept only when asked for."""
    command = args.command[1:] if args.command[:1] == ["--"] else args.command
    lasts = time_ns(args.workgroup_time, "--workgroup-time")
    if not 0 < lasts <= LONGEST_NS:
        raise InputError("a workgroup lasts 1ns to 2s", "--workgroup-time")
    options = Options(args.gpu, Policy(args.kernels), lasts, args.record, tuple(args.fault))
    data: dict[str, object] = {
        "schema": "ringscope.exec/1",
        "command": shlex.join(command),
        "gpu": args.gpu,
        "kernels": args.kernels,
    }
    with ExitStack() as stack:
        drawn = args.html or args.perfetto
        if drawn and not args.record:
            from tempfile import TemporaryDirectory  # noqa: PLC0415 - as below

            options = replace(options, record=path(stack.enter_context(TemporaryDirectory())) / "run")
        data["exit_code"] = code = session.run(options, command, os.environ)
        if args.record:
            log.info(f"recorded to {args.record} - try: ringscope explain {args.record}")
        if not (drawn and options.record):
            return Result(data, lambda _: "", code)
        # Half of ringscope, which most runs do without.
        from ringscope.report.page import page  # noqa: PLC0415
        from ringscope.scenario import rules  # noqa: PLC0415
        from ringscope.verbs.explain import explained  # noqa: PLC0415

        shown = explained([options.record], None, False)
    data |= {"explained": shown.data, "fidelity": rules.of_firmware()}
    return Result(data, lambda _: "", code, {**shown.pictures, "html": lambda: page(data)})
