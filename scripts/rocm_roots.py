#!/usr/bin/env python3
"""Fetch real ROCm user spaces for the tests: Debian's own packages, unpacked into a folder, no root needed.

    scripts/rocm_roots.py [NAME ...]        all of them by default; prints the folder of each

They come from the Debian archive that this machine's apt is set up for, checked with the same keyring; only the suite
differs. A root that is there already costs nothing. The folder is ~/.cache/ringscope/rocm-roots (XDG_CACHE_HOME is
heeded) or RINGSCOPE_ROOTS.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

from ringscope.virtual.rocm import READY, ROOTS, Root, folder

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


class FetchError(Exception):
    """Why a root cannot be fetched, in one line."""


def run(*words: str, cwd: Path | None = None) -> str:
    """Output of a command; FetchError with its last line of complaint when it fails."""
    try:
        done = subprocess.run(words, cwd=cwd, capture_output=True, text=True, check=False)  # noqa: S603
    except FileNotFoundError:
        raise FetchError(
            f"{words[0]} is not installed: this needs a Debian machine, or roots in RINGSCOPE_ROOTS"
        ) from None
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()] or [f"exit code {done.returncode}"]
        errors = [line for line in said if line.startswith("E:")] or said
        raise FetchError(f"{' '.join(words[:1])}: {errors[0].strip()}")
    return done.stdout


def archive() -> tuple[str, str]:
    """The Debian archive this machine's apt uses, and its keyring."""
    try:
        release = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
    except OSError:
        release = {}
    code = release.get("VERSION_CODENAME", "").strip('"')
    targets = run(
        "apt-get",
        "indextargets",
        "--format",
        "$(REPO_URI)|$(RELEASE)|$(COMPONENT)|$(SIGNED_BY)",
        "Identifier: Packages",
    )
    suites = {code, "stable", "oldstable", "testing", "unstable", "sid", *(root.suite for root in ROOTS)}
    for line in targets.splitlines():
        uri, suite, component, key = line.split("|")
        if release.get("ID") == "debian" and suite in suites and component == "main":
            return uri, key if key.startswith("/") else KEYRING
    raise FetchError("this machine's apt knows no Debian archive; put roots made elsewhere into RINGSCOPE_ROOTS")


def fetch(root: Root) -> None:
    """Put ``root`` in its place: resolved, downloaded and unpacked beside it, then renamed."""
    uri, key = archive()
    with tempfile.TemporaryDirectory(dir=folder(), prefix=f".{root.name}.") as name:
        work = Path(name)
        for part in ("lists/partial", "cache/archives/partial", "debs", "root"):
            (work / part).mkdir(parents=True)
        (work / "sources.list").write_text(f"deb [signed-by={key}] {uri} {root.suite} main\n")
        (work / "status").touch()
        settings = {
            "Dir::Etc::sourcelist": work / "sources.list",
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::State::Lists": work / "lists",
            "Dir::State::status": work / "status",
            "Dir::Cache": work / "cache",
            "Debug::NoLocking": 1,
            "APT::Sandbox::User": "",
            "APT::Update::Error-Mode": "any",
            "Acquire::Retries": 3,
        }
        apt = ["apt-get", "-qq", *(f"-o{key}={value}" for key, value in settings.items())]
        run(*apt, "update")
        plan = run(*apt, "install", "--simulate", "--no-install-recommends", *root.needs)
        wanted = [f"{name}={version}" for name, version in re.findall(r"^Inst (\S+) \((\S+) ", plan, re.MULTILINE)]
        run(*apt, "download", *wanted, *root.alone, cwd=work / "debs")
        packages = sorted((work / "debs").glob("*.deb"))
        for package in packages:
            run("dpkg", "-x", str(package), str(work / "root"))
        lsmod = work / "root" / "usr" / "bin" / "lsmod"
        # rocminfo 5.2 looks for the driver through lsmod, which not every machine has; found last in PATH.
        lsmod.write_text("#!/bin/sh\nexec cat /proc/modules\n")
        lsmod.chmod(0o755)
        made_of = [re.sub(r"_(.*)_.*", r" \1", package.stem).replace("%3a", ":") for package in packages]
        (work / "root" / READY).write_text("\n".join(made_of) + "\n")
        shutil.rmtree(root.path, ignore_errors=True)
        (work / "root").rename(root.path)


def main(names: list[str]) -> int:
    """Fetch the named roots and print where they lie; exit code 1 with one line when one cannot be had."""
    known = {root.name: root for root in ROOTS}
    if unknown := [name for name in names if name not in known]:
        print(f"rocm_roots: no root {unknown[0]!r}; there are {', '.join(known)}", file=sys.stderr)
        return 2
    for root in [known[name] for name in names] or ROOTS:
        try:
            if not root.ready:
                folder().mkdir(parents=True, exist_ok=True)
                with (folder() / ".lock").open("w") as lock:
                    # Several test runs may want the same root: one fetches, the others find it there.
                    fcntl.flock(lock, fcntl.LOCK_EX)
                    if not root.ready:
                        print(f"rocm_roots: fetching {root.name} (Debian {root.suite})", file=sys.stderr)
                        fetch(root)
        except (FetchError, OSError) as error:
            print(f"rocm_roots: {root.name}: {error}", file=sys.stderr)
            return 1
        print(root.path)
    return 0


if __name__ == "__main__":
    os.environ["LC_ALL"] = "C"
    sys.exit(main(sys.argv[1:]))
