"""Plays processes and their streams on a modelled machine and says what a capture of it would show.

The same HIP, ROCr and driver rules run as on a real machine; the state is written as the kernel writes it and explained
like any capture. --write keeps those files, for `ringscope explain` or your own tools.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from ringscope.errors import InputError
from ringscope.parts import catalogue
from ringscope.report.files import write_folder_aside
from ringscope.scenario import rules
from ringscope.stack.hip import HipSettings, StreamPriority
from ringscope.stack.machine import MachineSpec, QueueIds, SchedPolicy
from ringscope.stack.rehearse import ProcessSpec, rehearse
from ringscope.stack.rocm import RocmVersion
from ringscope.verbs import Result, picture_options
from ringscope.verbs.explain import explained

POLICIES = {
    "hws": SchedPolicy.HWS,
    "hws-no-oversubscription": SchedPolicy.HWS_NO_OVERSUBSCRIPTION,
    "no-hws": SchedPolicy.NO_HWS,
}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    parser.add_argument("--gpu", default="mi308x", metavar="KEY", help="a part of the catalogue (default: %(default)s)")
    parser.add_argument("--partition", default="spx", metavar="MODE", help="compute partition (default: %(default)s)")
    parser.add_argument("--rocm", default="7.0", metavar="X.Y", help="release of the programs (default: %(default)s)")
    parser.add_argument("--processes", type=int, default=1, metavar="N", help="alike processes (default: 1)")
    parser.add_argument(
        "--streams", default="normal", metavar="LIST", help="priorities of each process's streams: high,normal,low or N"
    )
    parser.add_argument("--hw-queues", type=int, default=4, metavar="N", help="GPU_MAX_HW_QUEUES (default: 4)")
    parser.add_argument("--num-kcq", type=int, default=8, metavar="N", help="amdgpu.num_kcq (default: 8)")
    parser.add_argument("--sched-policy", choices=POLICIES, default="hws", help="default: %(default)s")
    parser.add_argument(
        "--queue-ids", choices=[policy.value for policy in QueueIds], default="first-free", help="default: %(default)s"
    )
    parser.add_argument("--write", type=Path, metavar="DIR", help="keep the machine's files in a new folder")
    parser.add_argument("--verbose", "-v", action="store_true", help="show all evidence")
    picture_options(parser, "html")


def streams(text: str) -> tuple[int, ...]:
    """HIP priorities from ``high,normal,low``, or N normal streams from a number."""
    if text.isdecimal():
        return (int(StreamPriority.NORMAL),) * int(text)
    names = {priority.name.lower(): int(priority) for priority in StreamPriority}
    words = [word.strip().lower() for word in text.split(",")]
    if unknown := [word for word in words if word not in names]:
        raise InputError(f"no stream priority {unknown[0]!r}", "--streams", "give high, normal, low or a number")
    return tuple(names[word] for word in words)


def run(args: argparse.Namespace) -> Result:
    """Rehearse, write, explain."""
    if args.processes < 1:
        raise InputError(f"--processes is {args.processes}", todo="give at least 1")
    part = catalogue.find(args.gpu)
    machine = MachineSpec.of(
        part.key,
        partition=args.partition,
        num_kcq=args.num_kcq,
        sched_policy=POLICIES[args.sched_policy],
        queue_ids=QueueIds(args.queue_ids),
    )
    spec = ProcessSpec(
        streams(args.streams), settings=HipSettings(gpu_max_hw_queues=args.hw_queues), rocm=RocmVersion.parse(args.rocm)
    )
    files = rehearse(machine, [spec] * args.processes).files()
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.write or Path(scratch) / "machine"
        write_folder_aside(folder, {path: text.encode() for path, text in files.items()})
        return explained([folder], part.generation, args.verbose, rules.of_firmware() + rules.of_release(spec.rocm))
