#!/usr/bin/env python3
"""Ask PyPI which pinned requirements have known vulnerabilities.

Exit codes: 0 all were asked for and none has one, 1 some have, 2 some could not be asked for, so that nothing is sure.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

COMMAND = (sys.executable, "-m", "pip_audit", "-r", "requirements.txt", "--require-hashes", "--disable-pip")
OPTIONS = ("--progress-spinner", "off", "--format", "json")


def told(report: Mapping[str, Any] | None, why: str = "") -> tuple[int, str]:
    """Exit code and text of pip-audit's report; ``why`` there is none, in its last words."""
    if report is None:
        return 2, f"audit: nothing was audited: {why or 'pip-audit gave no report'}"
    found = [
        f"{package['name']} {package['version']}: {flaw['id']}, mended in {', '.join(flaw['fix_versions']) or 'none'}"
        for package in report["dependencies"]
        for flaw in package.get("vulns", ())
    ]
    if found:
        return 1, "\n".join(found)
    total = len(report["dependencies"])
    skipped = [package for package in report["dependencies"] if "skip_reason" in package]
    if skipped:
        return 2, f"audit: {len(skipped)} of {total} were not audited: {skipped[0]['skip_reason']}"
    return 0, f"audit: {total} packages, no known vulnerability"


def main() -> int:
    """Run pip-audit, and say in a line or in a list what it found."""
    done = subprocess.run([*COMMAND, *OPTIONS], capture_output=True, text=True, check=False)  # noqa: S603  both lists are ours
    try:
        report = json.loads(done.stdout)
    except ValueError:
        report = None
    code, text = told(report, next(iter(done.stderr.strip().splitlines()[-1:]), ""))
    print(text, file=sys.stderr if code == 2 else sys.stdout)
    return code


if __name__ == "__main__":
    sys.exit(main())
