import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from small_sweep import SMALL

from ringscope.errors import InputError
from ringscope.scenario.sweep.cluster import connected

pytest.importorskip("ray")
pytest.importorskip("polars")
TOKEN = secrets.token_hex(32)
"""Ray asks for one by default since 2.60; this one is the test's own."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = f"start --head --block --node-ip-address 127.0.0.1 --port {port} --num-cpus 2 --include-dashboard false"
    words += f" --object-store-memory {80 << 20} --disable-usage-stats"
    command = [sys.executable, "-m", "ray.scripts.scripts", *words.split()]
    said = tmp_path_factory.mktemp("ray") / "said"
    with said.open("w") as out:
        process = subprocess.Popen(command, env=environment(), stdout=out, stderr=subprocess.STDOUT)
    try:
        until = time.monotonic() + 120
        while "runtime started" not in said.read_text():
            assert process.poll() is None and time.monotonic() < until, said.read_text()
            time.sleep(0.1)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(60)


def environment() -> dict[str, str]:
    return os.environ | {
        "PYTHONPATH": os.pathsep.join(sys.path),
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": TOKEN,
        "RAY_USAGE_STATS_ENABLED": "0",
    }


def test_on_two_ray_workers_killed_and_started_again_the_bytes_are_the_same(cluster: str, tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text(SMALL)
    command = [sys.executable, "-m", "ringscope", "sweep", "small.toml", "--over", "run.seed=1..24"]

    def run(*more: str, env: dict[str, str] | None = None) -> None:
        subprocess.run([*command, *more], cwd=tmp_path, env=env or environment(), check=True, capture_output=True)

    run("--workers", "1", "--dir", "local")
    ray = [*command, "--ray", cluster, "--dir", "ray"]
    process = subprocess.Popen(
        ray, cwd=tmp_path, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while len(list((tmp_path / "ray").glob("part-*.parquet"))) < 3 and process.poll() is None:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    run("--ray", "--dir", "ray", env=environment() | {"RAY_ADDRESS": cluster})
    for name in ("results.parquet", "manifest.json"):
        assert (tmp_path / "ray" / name).read_bytes() == (tmp_path / "local" / name).read_bytes()
    assert len(list((tmp_path / "ray").iterdir())) == 2


def test_no_cluster_is_one_line() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # and not listening
        address = f"127.0.0.1:{bound.getsockname()[1]}"
        for where in (address, f"ray://{address}", "127.0.0.1:x"):
            with pytest.raises(InputError, match="no Ray cluster answers; start one") as caught, connected(where):
                pass
            assert str(caught.value).startswith(f"{where}: ")


def test_without_ray_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"needs Ray; pip install 'ringscope\[ray\]'"), connected(""):
        pass
