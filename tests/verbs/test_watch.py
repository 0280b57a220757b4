"""``ringscope watch``: read at most so often, served on loopback only."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from http.server import HTTPServer
from pathlib import Path

import pytest
from live_machine import write_machine

from ringscope.capture.paths import Paths
from ringscope.cli import main
from ringscope.errors import InputError
from ringscope.verbs.watch import LOOPBACK, Watch, handler


def value(text: str, name: str) -> int:
    (found,) = [line for line in text.splitlines() if line.startswith(f"ringscope_{name}")]
    return int(found.rsplit(" ", 1)[1])


def test_the_machine_is_read_at_most_so_often(tmp_path: Path) -> None:
    root = write_machine(tmp_path, 2)
    now = [0.0]
    watch = Watch(Paths(root), 15, lambda: now[0])
    assert value(watch.text(), "slots_used") == 3
    write_machine(root, 2, 3)
    now[0] = 14.9
    assert value(watch.text(), "slots_used") == 3
    now[0] = 15.0
    assert value(watch.text(), "slots_used") == 7
    assert value(watch.text(), "queues_stuck") == 0


def test_an_ordinary_user_sees_what_sysfs_tells(tmp_path: Path) -> None:
    root = write_machine(tmp_path, 2)
    for name in ("mqds", "hqds", "rls"):
        (root / "sys/kernel/debug/kfd" / name).unlink()
    (root / "proc/4242").mkdir()
    (root / "proc/4242/comm").write_text("app\n")
    text = Watch(Paths(root), 15).text()
    assert 'ringscope_source_read{source="hqds"} 0' in text
    assert 'ringscope_queues{pid="4242",process="app",gpu="a9c3",type="compute"} 3' in text
    assert "slots" not in text


def test_an_idle_machine_has_no_queue_and_all_its_slots(tmp_path: Path) -> None:
    text = Watch(Paths(write_machine(tmp_path)), 15).text()
    assert value(text, "slots_used") == 0
    assert "ringscope_queues{" not in text
    assert 'source="proc"} 1' in text


def test_a_machine_without_the_driver_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="ringscope doctor"):
        Watch(Paths(tmp_path), 15).text()


def test_metrics_are_served_at_their_path_alone(tmp_path: Path) -> None:
    watch = Watch(Paths(write_machine(tmp_path, 1)), 15)
    with HTTPServer((LOOPBACK, 0), handler(watch.text)) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            url = f"http://{LOOPBACK}:{server.server_port}"
            with urllib.request.urlopen(f"{url}/metrics", timeout=10) as answer:
                assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
                assert answer.read().decode() == watch.text()
            with pytest.raises(urllib.error.HTTPError, match="404"):
                urllib.request.urlopen(f"{url}/../etc/passwd", timeout=10)
        finally:
            server.shutdown()
            thread.join()


def test_a_port_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["watch", "--port", "70000"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
