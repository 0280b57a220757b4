"""Redaction: planted names are gone, and what joins sources is still there."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringscope.capture.redact import Redactor, redacted

USER, HOST, HOME = "zaphod42", "heartofgold.example.org", "/home/zaphod42"
COMMAND = "/home/zaphod42/my secret project/app --key hunter2"
PLANTED = ("zaphod", "heartofgold", "example.org", "secret", "hunter2", "/home", "/data/models", "llama")

LOG = "".join(
    f":3:hip_stream.cpp :300 : 10{number} us: [pid:7 tid:0x7] {text}\n"
    for number, text in enumerate((
        f"hipModuleLoad ( {HOME}/kernels/llama.co )",
        "Created SWq=0x7f00 to map on HWq=0x7f0000000000 with size 16384 with priority 1, cooperative: 0",
        f'reading "/data/models/llama/weights.bin" for {USER}@{HOST}, {COMMAND}',
    ))
)  # fmt: skip
KERNEL = f"""\
[    1.000000] Command line: BOOT_IMAGE=/boot/vmlinuz root=/dev/mapper/{USER}-root
[   10.000000] amdgpu 0000:03:00.0: amdgpu: Process llama pid 4242 thread llama:cs0 pid 4250
[   11.000000] amdgpu: qcm fence wait loop timeout expired
Jan 30 11:14:39 heartofgold kernel: amdgpu: Freeing queue vital buffer 0x7f41b5200000, queue evicted
"""


@pytest.fixture
def redactor() -> Redactor:
    return Redactor({USER, "root"}, {HOST}, {COMMAND, f"{HOME}/my secret project", HOME})


def test_planted_strings_are_gone(redactor: Redactor) -> None:
    files = redacted({"logs/amd.log": LOG.encode(), "logs/kernel.log": KERNEL.encode()}, redactor)
    text = b"".join(files.values()).decode()
    assert not [word for word in PLANTED if word in text], text


def test_what_joins_is_left(redactor: Redactor) -> None:
    files = redacted({"logs/amd.log": LOG.encode(), "logs/kernel.log": KERNEL.encode()}, redactor)
    log, kernel = files["logs/amd.log"].decode(), files["logs/kernel.log"].decode()
    assert LOG.splitlines()[1] in log
    assert "Process program-1 pid 4242 thread program-1 pid 4250" in kernel
    assert "0x7f41b5200000" in kernel
    assert "[   11.000000] amdgpu: qcm fence wait loop timeout expired" in kernel


def test_one_name_has_one_pseudonym(redactor: Redactor) -> None:
    text = redactor.data(f"{USER} on {HOST}, {USER} again; /a/b and /a/b and /a/c".encode()).decode()
    assert re.fullmatch(r"(user-1) on (host-1), \1 again; (/path-\d) and \3 and (/path-\d)", text)


def test_what_the_kernel_calls_its_own_stays(redactor: Redactor) -> None:
    text = b"/sys/kernel/debug/kfd/mqds /proc/4242/status /dev/kfd r/w 3/4 N/A"
    assert redactor.data(text) == text


def test_root_names_nobody(redactor: Redactor) -> None:
    assert redactor.data(b"root and chroot") == b"root and chroot"


def test_values_are_redacted_at_any_depth_and_keys_are_not(redactor: Redactor) -> None:
    value = redactor.value({"facts": {"env.X": f"{HOME}/x", "n": 3}, "list": [HOST, None, True]})
    assert "zaphod" not in str(value)
    assert value["list"] == ["host-1", None, True]
    assert list(value["facts"]) == ["env.X", "n"]
    assert value["facts"]["n"] == 3


def test_dumps_are_not_touched(redactor: Redactor) -> None:
    files = {"1-now/mqds": b"Process 42 PASID 42:\n", "topology/nodes/1/properties": b"simd_count 320\n"}
    assert redacted(files, redactor) == files


@given(st.text(st.characters(categories=["L", "N"]), min_size=3, max_size=12), st.text(max_size=40))
def test_a_user_is_never_left(user: str, around: str) -> None:
    redactor = Redactor({user}, (), ())
    assert f" {user} ".encode() not in redactor.data(f"{around} {user} {around}".encode()) or user == "root"
