"""The ``ringscope`` command: finds the verb, runs it, prints its result, turns errors into one line.

Verbs are listed in :data:`VERBS`; each lives in a module of its own under :mod:`ringscope.verbs`, imported when called.
"""

from __future__ import annotations

import argparse
import codecs
import gc
import io
import os
import sys
from typing import TYPE_CHECKING, NoReturn

from ringscope import __version__, log
from ringscope.errors import EXIT_INPUT, InputError, RingscopeError

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

    from ringscope.verbs import Result

VERBS: dict[str, str] = {
    "check": "say before a launch whether its queues fit the GPU, and which knob makes them fit",
    "explain": "read a capture of a real machine and say what its queues do",
    "capture": "take evidence on this machine at the moments that matter, into one file that opens anywhere",
    "top": "show this machine's queues as they go: progress, slots, what is stuck, over-subscription",
    "serve": "open the report in a browser, on loopback, and change what is simulated by controls",
    "watch": "serve metrics of this machine's queues to Prometheus, on loopback",
    "doctor": "say what can be captured here as this user, what is missing, and the remedy for each",
    "diff": "say what changed between two captures or simulations: queues, slots, priorities, answers",
    "simulate": "run a scenario in simulated time: who got what, and where the time went",
    "study": "play an experiment of the research notes: a question, its table, and what follows from it",
    "sweep": "run a scenario at many points on all cores, and find the ones worth having",
    "calibrate": "fit named numbers to measured rows, and say how sure they are",
    "validate": "hold the model against published measurements, fitted and predicted apart",
    "warmup": "compile the simulation engine now, so that the first simulation starts at once",
    "rehearse": "play processes and streams on a modelled machine and explain what it would show",
    "exec": "run a ROCm program on a virtual GPU",
    "fidelity": "say how far each modelled behaviour can be believed, and which test holds it",
    "claims": "check what two research notes claim about queues, each claim computed when asked",
    "parts": "print the reference: devices, MQD and HQD registers, packets",
    "trace": "walk a stream down the stack, and see what differs by release or priority",
}

EXTRAS = {
    "numba": "sim",
    "numpy": "sim",
    "polars": "frames",
    "scipy": "fit",
    "rich": "top",
    "textual": "top",
    "zstandard": "zstd",
}
"""The extra of ringscope that brings each package that only some verbs need."""

EXIT_CODES = "exit codes: 0 clean, 1 findings, 2 usage or input error, 3 evidence insufficient"


class _Parser(argparse.ArgumentParser):
    def _get_formatter(self) -> argparse.HelpFormatter:
        # Asked for with every option; argparse's own way to the width imports shutil with all its archive formats.
        try:
            columns = int(os.environ.get("COLUMNS", "0")) or os.get_terminal_size().columns
        except (ValueError, OSError):
            columns = 80
        return argparse.RawDescriptionHelpFormatter(self.prog, width=columns - 2)

    def error(self, message: str) -> NoReturn:
        print(f"{self.prog}: {message}; try: {self.prog} --help", file=sys.stderr)
        raise SystemExit(EXIT_INPUT)


def _top_parser() -> _Parser:
    width = max(map(len, VERBS))
    verbs = "\n".join(f"  {name:<{width}}  {what}" for name, what in VERBS.items())
    parser = _Parser(
        prog="ringscope",
        usage="ringscope VERB [OPTIONS]",
        description="Shows, rehearses and proves what AMD GPU compute queues do, from hipStream_t to the HQD slot.",
        epilog=f"verbs:\n{verbs}\n\nringscope VERB --help says more of one verb.\n{EXIT_CODES}",
    )
    parser.add_argument("--version", action="version", version=f"ringscope {__version__}")
    parser.add_argument("verb", nargs="?", help=argparse.SUPPRESS)
    return parser


def _verb_parser(name: str, module: ModuleType) -> _Parser:
    from ringscope.verbs import path

    parser = _Parser(
        prog=f"ringscope {name}",
        description=(module.__doc__ or "").strip(),
        epilog=EXIT_CODES,
    )
    module.arguments(parser)
    common = parser.add_argument_group("common options")
    common.add_argument("--json", action="store_true", help="print the result as JSON")
    common.add_argument(
        "--log-level",
        choices=log.LEVELS,
        default=log.DEFAULT,
        metavar="LEVEL",
        help=f"how much is told on stderr: {', '.join(log.LEVELS)} (default: %(default)s)",
    )
    common.add_argument("--output", "-o", type=path, metavar="FILE", help="write the result to FILE instead")
    return parser


def _write(text: str, output: Path | None) -> None:
    if output is None:
        try:
            sys.stdout.write(text)
            sys.stdout.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            _close_output()
            raise _unwritten(error) from None
        return
    from ringscope.report.files import write_aside

    write_aside(output, text.encode())


def _picture(result: Result, args: argparse.Namespace) -> None:
    for name, make in result.pictures.items():
        target: Path | None = getattr(args, name, None)
        if target is not None:
            from ringscope.report.files import write_aside

            write_aside(target, make())


def _render(result: Result, args: argparse.Namespace) -> str:
    if args.json:
        import json

        return json.dumps(result.data, indent=1) + "\n"
    from ringscope.report.terminal import Terminal

    text = result.text(Terminal() if args.output else Terminal.of(sys.stdout))
    return text if not text or text.endswith("\n") else text + "\n"


def _parse(parser: _Parser, words: list[str]) -> argparse.Namespace:
    """Options may stand between the words of a command line, unless a program's own command line ends it."""
    try:
        return parser.parse_intermixed_args(words)
    except TypeError:  # argparse's answer to a positional that takes the rest of the line
        return parser.parse_args(words)


def _run(name: str, rest: list[str]) -> int:
    import importlib

    module = importlib.import_module(f"ringscope.verbs.{name}")
    args = _parse(_verb_parser(name, module), rest)
    if not gc.isenabled():
        gc.freeze()
        gc.enable()
    log.set_level(args.log_level)
    result: Result = module.run(args)
    _picture(result, args)
    _write(_render(result, args), args.output)
    return result.exit_code


def main(argv: list[str] | None = None) -> int:
    """Run the command line ``argv`` (default: the process's own) and return the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and codecs.lookup(stream.encoding).name != "utf-8":
            stream.reconfigure(errors=_PLAIN)
    if argv is None:
        gc.disable()  # until the verb's modules are loaded: nothing of what they make is garbage
    try:
        return _main(sys.argv[1:] if argv is None else argv)
    except BrokenPipeError:
        # The reader went away (``| head``): not an error of ours, and nothing more can be printed.
        _close_output()
        return 0
    finally:
        _finish_output()


def _close_output() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _finish_output() -> None:
    """What argparse printed is written now: at the interpreter's end a full disk would be a traceback."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _close_output()
    except OSError as error:
        _close_output()
        print(f"ringscope: {_unwritten(error)}", file=sys.stderr)
        raise SystemExit(EXIT_INPUT) from None


def _unwritten(error: OSError) -> InputError:
    return InputError(f"cannot be written ({error.strerror})", "standard output")


def _plain(error: UnicodeError) -> tuple[str, int]:
    """What stands for signs that a terminal of another locale has not."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(_SIGNS.get(sign, "?") for sign in error.object[error.start : error.end]), error.end


_PLAIN = "ringscope.plain"
_SIGNS = {"→": "->", "·": "-", "…": "...", "×": "x", "±": "+-", "≥": ">=", "≤": "<=", "µ": "u", "—": "-", "–": "-"}
codecs.register_error(_PLAIN, _plain)


def _main(words: list[str]) -> int:
    if not words or words[0].startswith("-"):
        parser = _top_parser()
        parser.parse_args(words)
        parser.print_help()
        return EXIT_INPUT if not words else 0
    name = words[0]
    try:
        if name not in VERBS:
            raise InputError(f"no verb {name!r}", todo=f"the verbs are {', '.join(VERBS)}")
        return _run(name, words[1:])
    except RingscopeError as error:
        print(f"ringscope: {error}", file=sys.stderr)
        return error.exit_code
    except ModuleNotFoundError as error:
        extra = EXTRAS.get((error.name or "").partition(".")[0])
        if extra is None:
            raise
        print(f"ringscope: {name} needs {error.name}; pip install 'ringscope[{extra}]'", file=sys.stderr)
        return EXIT_INPUT
    except KeyboardInterrupt:
        print("ringscope: interrupted", file=sys.stderr)
        return 130
