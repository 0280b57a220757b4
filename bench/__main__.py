"""``make bench``: runs every benchmark (or those named) and prints what it measured, with ratios to a peer."""

import importlib
import sys
from pathlib import Path

from ringscope.report.terminal import columns


def main(names: list[str]) -> int:
    modules = sorted(path.stem for path in Path(__file__).parent.glob("bench_*.py"))
    chosen = [name for name in modules if not names or name.removeprefix("bench_") in names]
    for name in chosen:
        print(f"\n{name.removeprefix('bench_')}", flush=True)
        module = importlib.import_module(f"bench.{name}")
        rows = [(row.what, row.figure, row.peer, row.ratio, row.goal) for row in module.run()]
        print("\n".join(columns(rows, head=("what", "figure", "peer", "ratio", "goal"))), flush=True)
    return 0


raise SystemExit(main(sys.argv[1:]))
