"""Programs that need no ROCm: exit codes, children, files, and being told what does not work."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from exec_runs import PROJECT, Runner

from ringscope.virtual import seccomp, topology
from ringscope.virtual.files import Tree
from ringscope.virtual.supervisor import Supervisor, may_share_core, nap_ms


@pytest.mark.parametrize(("script", "code"), [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137), ("kill -15 $$", 143)])
def test_the_exit_code_is_the_programs(script: str, code: int, virtual: Runner) -> None:
    assert virtual(None, "/bin/sh", "-c", script).code == code


def test_output_passes_untouched_and_the_summary_goes_to_stderr(virtual: Runner) -> None:
    ran = virtual(None, "sh", "-c", "echo out; echo err >&2")
    assert ran.out == "out\n"
    assert ran.err.startswith("err\nringscope: virtual AMD Instinct MI210 · 0 processes · 0 ioctls made 0 queues")


def test_every_child_sees_the_device(virtual: Runner) -> None:
    ran = virtual(None, "sh", "-c", "(stat -c %F:%t:%T /dev/kfd & stat -c %F:%t:%T /dev/dri/renderD128 & wait) | sort")
    assert ran.out == "character special file:1ff:0\ncharacter special file:e2:80\n"


def test_sysfs_reads_lists_and_links_like_a_real_one(virtual: Runner) -> None:
    script = """
        cat /sys/class/kfd/kfd/topology/nodes/1/name
        ls /sys/class/kfd/kfd/topology/nodes
        grep -c . /sys/class/kfd/kfd/topology/nodes/1/properties
        cat /sys/class/kfd/kfd/topology/system_properties
        test -r /sys/module/amdgpu/version && echo version
        test -e /sys/class/kfd/kfd/topology/nodes/7 || echo no seven
        cat /sys/kernel/debug/kfd/mqds | wc -c
        readlink /sys/class/kfd/kfd/proc
        grep ^amdgpu /proc/modules | cut -d' ' -f1
        realpath /sys/class/kfd/kfd/topology/nodes/1
    """
    lines = virtual(None, "sh", "-c", script, gpu="mi308x").out.splitlines()
    assert lines[:4] == ["ip discovery", "0", "1", "38"]
    assert lines[4:] == [
        "platform_oem 0",
        "platform_id 0",
        "platform_rev 0",
        "version",
        "no seven",
        "0",
        "../../../devices/virtual/kfd/kfd/proc",
        "amdgpu",
        "/sys/devices/virtual/kfd/kfd/topology/nodes/1",
    ]


def test_sysfs_is_copied_and_listed_like_a_real_one(virtual: Runner, tmp_path: Path) -> None:
    script = f"""
        cp -r /sys/class/kfd/kfd/topology/. {tmp_path}/within && ls {tmp_path}/within
        cp -r /sys/class/kfd/kfd/topology {tmp_path}/link && readlink {tmp_path}/link
        cp -aL /sys/class/kfd/kfd {tmp_path}/all && ls {tmp_path}/all/topology/nodes/1 | head -1
        ls -ld /sys/class/kfd/kfd/topology | cut -c1
        ls -ld /sys/class/kfd/kfd/topology/ | cut -c1
        ls -la /sys/class/kfd/kfd/ /dev/kfd /dev/dri | grep -c .
        tar cf {tmp_path}/tar -C /sys/class/kfd/kfd/topology/ . && tar tf {tmp_path}/tar | grep -c properties
        find /sys/class/kfd/kfd/topology/ -name gpu_id | sort
    """
    ran = virtual(None, "sh", "-c", script)
    assert ran.out.splitlines()[:6] == [
        "generation_id", "nodes", "system_properties", "../../../devices/virtual/kfd/kfd/topology", "caches", "l",
    ]  # fmt: skip
    assert ran.out.splitlines()[6] == "d"
    assert ran.out.splitlines()[-2:] == [f"/sys/class/kfd/kfd/topology/nodes/{node}/gpu_id" for node in (0, 1)]
    assert all(line.startswith("ringscope: ") for line in ran.err.splitlines()), ran.err


@pytest.mark.parametrize(
    ("folder", "ours"),
    [("/dev", {"kfd", "dri"}), ("/sys/class", {"kfd"}), ("/sys/module", {"amdgpu"}), ("/usr", set())],
)
def test_folders_of_the_host_list_what_the_virtual_machine_has_in_them(
    folder: str, ours: set[str], virtual: Runner
) -> None:
    script = f"import os; [print(' '.join(sorted(os.listdir(path)))) for path in ({folder!r}, 3, 3)]"
    # The second and third look go through one descriptor, which is rewound between them.
    ran = virtual(None, sys.executable, "-c", f"import os; os.open({folder!r}, os.O_RDONLY); {script}")
    assert ran.out.splitlines() == 3 * [" ".join(sorted({*(entry.name for entry in Path(folder).iterdir()), *ours}))]


def test_a_walk_finds_the_device(virtual: Runner) -> None:
    ran = virtual(None, "find", "/dev", "/sys/class", "-maxdepth", "2", "-path", "*/kfd*", "!", "-type", "l")
    assert sorted(ran.out.splitlines()) == ["/dev/kfd", "/sys/class/kfd", "/sys/class/kfd/kfd"]


def test_files_of_the_host_are_untouched(virtual: Runner, tmp_path: Path) -> None:
    (tmp_path / "host").write_text("host")
    ran = virtual(None, "sh", "-c", f"cat {tmp_path}/host; echo more >> {tmp_path}/host; cat /no/such/file; echo $?")
    assert ran.out == "host1\n"
    assert (tmp_path / "host").read_text() == "hostmore\n"


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ringscope", "exec", *words],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(PROJECT / "src")},
        timeout=60,
    )


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--", "/no/such/program"], "/no/such/program: no such program"),
        ([], "no program given"),
        (["--gpu", "mi309", "--", "true"], "no device 'mi309'"),
        (["--gpu", "fiji", "--", "true"], "32-bit doorbells"),
        (["--fault", "meteor", "--", "true"], "--fault meteor: no such fault"),
        (["--record", "/proc/nowhere", "--", "true"], "/proc/nowhere: cannot be written"),
        (["--", sys.executable, "-m", "ringscope", "exec", "--", "true"], "the kernel allows one"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(words: list[str], says: str) -> None:
    done = run(*words)
    assert done.returncode == 2
    lines = [line for line in done.stderr.splitlines() if not line.startswith("ringscope: virtual")]
    assert len(lines) == 1 and says in lines[0], done.stderr


def test_a_program_that_is_not_there_leaves_no_folder(tmp_path: Path) -> None:
    assert run("--record", str(tmp_path / "run"), "--", str(tmp_path / "absent")).returncode == 2
    assert not (tmp_path / "run").exists()


_FORBID = """
import ctypes, os, struct, sys
number, words = int(sys.argv[1]), sys.argv[2:]
rows = [(0x20, 0, 0, 0), (0x15, 0, 1, number), (0x06, 0, 0, 0x50000 | 1), (0x06, 0, 0, 0x7FFF0000)]
table = ctypes.create_string_buffer(b"".join(struct.pack("<HBBI", *row) for row in rows))
program = struct.pack("<HxxxxxxQ", len(rows), ctypes.addressof(table))
libc = ctypes.CDLL(None, use_errno=True)
assert not libc.prctl(38, 1, 0, 0, 0) and not libc.prctl(22, 2, program), "the filter was refused"
os.execv(words[0], words)
"""
"""A container's policy in small: one system call answers EPERM from here on."""


@pytest.mark.parametrize(
    ("number", "says", "todo"),
    [
        (317, "the host forbids seccomp user notification", "seccomp=unconfined"),
        (310, "the host forbids process_vm_readv on a child", "SYS_PTRACE"),
    ],
)
def test_a_host_that_forbids_what_it_needs_is_told_in_one_line(number: int, says: str, todo: str) -> None:
    words = [sys.executable, "-m", "ringscope", "exec", "--", "/bin/echo", "never"]
    done = subprocess.run(
        [sys.executable, "-c", _FORBID, str(number), *words],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(PROJECT / "src")},
        timeout=60,
    )
    assert done.returncode == 2 and not done.stdout
    (line,) = done.stderr.splitlines()
    assert says in line and todo in line


def test_where_folders_cannot_be_shared_they_are_listed_as_they_are() -> None:
    words = [sys.executable, "-m", "ringscope", "exec", "--", "/bin/ls", "/sys/class"]
    done = subprocess.run(
        [sys.executable, "-c", _FORBID, "438", *words],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": str(PROJECT / "src")},
        timeout=60,
    )
    assert set(done.stdout.split()) == {entry.name for entry in Path("/sys/class").iterdir()}


def test_a_filter_reports_only_device_ioctls_and_paths() -> None:
    rules = seccomp.rules()
    assert len(rules) == 13 + 2 * (len(seccomp.READS_PATH) + 2)
    for at, (code, if_true, if_false, _) in enumerate(rules):
        if code in (0x15, 0x45):
            assert at + 1 + max(if_true, if_false) < len(rules)


def test_a_terminated_supervisor_hands_the_signal_on(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    script = f"trap 'exit 9' TERM; echo > {ready}; while :; do sleep 0.05; done"
    process = subprocess.Popen(
        [sys.executable, "-m", "ringscope", "exec", "--", "/bin/sh", "-c", script],
        env=os.environ | {"PYTHONPATH": str(PROJECT / "src")},
        stderr=subprocess.DEVNULL,
    )
    while not ready.exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 9


def test_a_killed_supervisor_takes_its_program_along() -> None:
    words = [sys.executable, "-m", "ringscope", "exec", "--", "sh", "-c", "echo $$; while :; do :; done"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as supervisor:
        assert supervisor.stdout is not None
        program = int(supervisor.stdout.readline())
        supervisor.kill()
    for _ in range(500):
        try:
            state = Path(f"/proc/{program}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return
        if state == "Z":
            return
        time.sleep(0.01)
    raise AssertionError("the program outlived its supervisor")


def test_what_a_killed_supervisor_left_is_removed_by_the_next_one() -> None:
    words = [sys.executable, "-m", "ringscope", "exec", "--", "/bin/sh", "-c"]
    environment = os.environ | {"PYTHONPATH": str(PROJECT / "src")}
    with subprocess.Popen([*words, "echo; sleep 60"], env=environment, stdout=subprocess.PIPE) as doomed:
        assert doomed.stdout is not None
        doomed.stdout.readline()
        held = {str(fd.readlink()) for fd in Path(f"/proc/{doomed.pid}/fd").iterdir()}
        (left,) = (Path(path) for path in held if "/ringscope-exec-" in path)
        # While it lives, its folder is left alone.
        subprocess.run([*words, "true"], env=environment, check=True, capture_output=True)
        assert left.is_dir()
        # A link is followed by nobody, and what is no folder is nobody's.
        link, file = left.with_name(f"{left.name}-link"), left.with_name(f"{left.name}-file")
        link.symlink_to(PROJECT / "src")
        file.touch()
        doomed.kill()
    try:
        assert left.is_dir()
        subprocess.run([*words, "true"], env=environment, check=True, capture_output=True)
        assert not left.exists()
        assert (PROJECT / "src" / "ringscope").is_dir()
    finally:
        link.unlink()
        file.unlink()


def test_a_tree_serves_live_files_and_folders_anew() -> None:
    content = {"count": 0}

    def text() -> str:
        content["count"] += 1
        return f"{content['count']}"

    tree = Tree({"/a/b": "static"}, {"/link": "a"}, ("/a", "/link"))
    try:
        tree.live("/a/live", text)
        tree.live_folder("/a/folder", lambda: {f"{content['count']}/x": "y"})
        for seen in ("1", "2"):
            assert Path(tree.real("/a/live", opening=True)).read_text() == seen
            tree.real("/link/folder")
            assert [p.name for p in Path(tree.folder + "/a/folder").iterdir()] == [seen]
        assert tree.virtual("/a/b") == tree.virtual("/a//x/../b") == tree.virtual(tree.folder + "/a/b") == "/a/b"
        assert tree.virtual("/ab") is tree.virtual("/") is None
        assert Path(tree.real("/a/b")).read_text() == "static"
    finally:
        tree.close()
    assert not Path(tree.folder).exists()


def test_what_is_served_lies_below_what_is_claimed() -> None:
    from ringscope.stack.machine import MachineSpec
    from ringscope.virtual.model import model_of

    files = topology.files(model_of("mi308x"), MachineSpec.of("mi308x").nodes[0])
    for path in (*files, *topology.LINKS):
        assert any(path == root or path.startswith(root + "/") for root in topology.ROOTS), path


@pytest.mark.parametrize("idle_ms", [0, 2, 7, 8, 9, 20, 63, 64, 65, 1000, 86_400_000])
def test_a_packet_waits_for_an_eighth_of_the_pause_and_never_longer_than_8_ms(idle_ms: int) -> None:
    nap = nap_ms(idle_ms * 1_000_000)
    assert 1 <= nap <= 8
    assert nap <= max(1, idle_ms / 8)
    assert nap_ms(10**9 + idle_ms * 1_000_000) == 8, "an idle device costs 125 looks a second"


def test_who_is_pinned_apart_shares_no_core_and_who_has_gone_neither(monkeypatch: pytest.MonkeyPatch) -> None:
    with subprocess.Popen(["true"]) as gone:
        pass
    assert may_share_core(os.getpid()) and not may_share_core(gone.pid)
    cores = {0: {0, 1}, 7: {1, 2}, 8: {2, 3}}
    monkeypatch.setattr(os, "sched_getaffinity", cores.__getitem__)
    assert may_share_core(7) and not may_share_core(8)


def test_calls_are_served_in_step_until_a_doorbell_rings_or_none_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = os.pipe()
    served: list[int] = []
    caller = 7

    def serve() -> int:
        served.append(caller)
        return caller

    supervisor = Supervisor.__new__(Supervisor)
    monkeypatch.setattr(supervisor, "_listener", SimpleNamespace(fd=ours), raising=False)
    monkeypatch.setattr(supervisor, "_serve", serve)
    try:
        assert supervisor._keep_step(lambda: 5) == 0 and not served  # no call waits
        os.write(theirs, b"call")
        packets = iter((0, 0, 3))
        assert supervisor._keep_step(packets.__next__) == 3 and len(served) == 3
        assert supervisor._keep_step(lambda: 0) == 0 and len(served) > 3  # others are waited for, too
        caller = 0
        assert supervisor._keep_step(lambda: 5) == 0 and served[-1] == 0  # the caller has gone
    finally:
        os.close(ours)
        os.close(theirs)
