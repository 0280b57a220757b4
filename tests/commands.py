"""One small command line of every verb, for what must hold of them all."""

from __future__ import annotations

from pathlib import Path

from live_machine import put

from ringscope.stack.machine import MachineSpec
from ringscope.stack.rehearse import ProcessSpec, rehearse

SCENARIO = """
device = { gpu = "mi308x" }
kernel = [{ name = "k", workgroups = 8, duration = "20 us" }]
process = [{ name = "p", count = 2, streams = 1, request = ["k*2"], think = "10 us", submit = "2 us" }]
run = { horizon = "500 us", warmup = "50 us", seed = 7 }
"""

ROWS = """
parameters = { "costs.packet" = "100 ns..9 us" }
row = [{ id = "a", scenario = "run.toml", measure = "mean_ns", measured = "80 us", uncertainty = 0.05 }]
"""

COMMANDS: dict[str, tuple[str, ...]] = {
    "calibrate": ("rows.toml",),
    "capture": ("-o", "bundle.tar.gz"),
    "check": ("--gpu", "mi300a", "--ranks", "8"),
    "claims": ("A27",),
    "diff": ("machine", "machine"),
    "exec": ("--", "echo", "ran"),
    "explain": ("machine",),
    "parts": ("mqd", "--gfx", "942", "cp_hqd_quantum"),
    "rehearse": ("--streams", "2"),
    "serve": ("--host", "nowhere"),  # served, it would wait for a browser
    "simulate": ("run.toml",),
    "study": ("num-kcq",),
    "sweep": ("run.toml", "--over", "process.p.count=1..3", "--workers", "1"),
    "top": ("--once", "--interval", "50ms"),
    "watch": ("--once",),
}
"""Arguments by verb, in a folder that :func:`furnish` made; a verb that is not here runs without any."""


def furnish(folder: Path) -> Path:
    """Writes what the commands read: a machine's files and a scenario."""
    for path, text in rehearse(MachineSpec.of("mi308x"), [ProcessSpec((0, 0))]).files().items():
        put(folder / "machine" / path, text)
    put(folder / "run.toml", SCENARIO)
    put(folder / "rows.toml", ROWS)
    return folder
