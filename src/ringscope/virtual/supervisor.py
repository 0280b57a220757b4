"""Starts a program under the virtual GPU and serves it until the last of its processes has gone.

One thread and one loop: calls from the kernel, deaths of clients, doorbells, deadlines. A doorbell is memory, which
wakes nobody: while there is work they are polled; when there is none, between naps that grow with the pause, so that a
packet waits for at most an eighth of the time in which nothing happened, and never longer than 8 ms. Any call of a
program (a wait for an event is one) ends a nap. Without queues the loop sleeps until it is called.
"""

from __future__ import annotations

import array
import errno
import os
import select
import signal
import socket
import time
from collections.abc import Callable, Mapping, Sequence

from ringscope.errors import InputError
from ringscope.virtual import ioctls, remote, seccomp
from ringscope.virtual.files import Files, Tree
from ringscope.virtual.gpu import Gpu

_SPIN_NS = 2_000_000
"""How long doorbells are polled without sleeping after the last work."""
_NAP_MS = 1, 8
"""Shortest and longest nap between two looks at doorbells after that."""
_PATIENCE = 8
"""A nap is the time since the last work divided by this."""
_QUANTUM_NS = 10_000_000
"""Time slice of an over-subscribed device: MAP_PROCESS says 10, taken as milliseconds (facts §5.3, inferred)."""
ENVIRONMENT = {"HSA_USERPTR_FOR_PAGED_MEM": "0"}
"""Set for the program unless it is set: runtime memory comes from the device's file, which both sides see."""


def program_of(command: Sequence[str], environment: Mapping[str, str]) -> str:
    """The file that a command runs; InputError when there is none."""
    folders = [""] if "/" in command[0] else os.get_exec_path(environment)
    found = (f"{folder}/{command[0]}" if folder else command[0] for folder in folders)
    program = next((path for path in found if os.access(path, os.X_OK) and not os.path.isdir(path)), None)  # noqa: PTH112
    if program is None:
        raise InputError("no such program", command[0], "give the path of an executable")
    return program


def launch(command: Sequence[str], environment: Mapping[str, str]) -> tuple[int, int]:
    """Start a program under the filter; returns its process id and the listener.

    Raises:
        InputError: no such program, or the host forbids what this needs.
    """
    program = program_of(command, environment)
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        _become(program, command, {**ENVIRONMENT, **environment}, theirs)
    theirs.close()
    message, control, _, _ = ours.recvmsg(1000, socket.CMSG_SPACE(4))
    if not control:
        os.waitpid(pid, 0)
        raise InputError(message.decode(errors="replace") or "the program could not be started")
    return pid, array.array("i", control[0][2])[0]


def _become(program: str, command: Sequence[str], environment: Mapping[str, str], pipe: socket.socket) -> None:
    """In the child: install the filter, hand the listener over, turn into the program."""
    try:
        seccomp.die_with_parent()
        listener = seccomp.install()
        pipe.sendmsg([b"."], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [listener]))])
        os.close(listener)
        pipe.close()
        for number in (signal.SIGINT, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)
        os.execve(program, list(command), environment)  # noqa: S606  that is the point
    except InputError as error:
        pipe.send(str(error).encode())
    except OSError as error:
        os.write(2, f"ringscope: {program}: {error.strerror}\n".encode())
    os._exit(127)


def nap_ms(idle_ns: int) -> float:
    """How long to sleep before doorbells are looked at again, when the last work is so long ago."""
    shortest, longest = _NAP_MS
    return max(shortest, min(idle_ns / (_PATIENCE * 1e6), longest))


def check_access(pid: int) -> None:
    """Whether this process may look into the program's memory; InputError saying what to allow when not."""
    here = remote.probe()
    try:
        remote.read(pid, here, 1)
    except OSError as error:
        if error.errno in (errno.EPERM, errno.ENOSYS):
            raise InputError(
                f"the host forbids process_vm_readv on a child ({error.strerror})",
                todo="allow it: kernel.yama.ptrace_scope 0 or 1, or the capability SYS_PTRACE in a container",
            ) from error


class Supervisor:
    """The loop."""

    def __init__(self, pid: int, listener: seccomp.Listener, gpu: Gpu, tree: Tree) -> None:
        self.pid = pid
        self._listener = listener
        self._gpu = gpu
        self._files = Files(tree, listener, self._open_kfd, lambda: gpu.store.fd)
        self._poll = select.poll()
        self._poll.register(listener.fd, select.POLLIN)
        self._watched: Mapping[int, Callable[[], None]] = {}
        gpu.on_watch = self._watch

    def _open_kfd(self, tid: int) -> int:
        return self._gpu.open_kfd(tid)

    def _watch(self) -> None:
        """Keep the poll set equal to what the device waits for."""
        now = self._gpu.watched()
        for fd in self._watched.keys() - now.keys():
            self._poll.unregister(fd)
        for fd in now.keys() - self._watched.keys():
            self._poll.register(fd, select.POLLIN)
        self._watched = now

    def run(self) -> int:
        """Serve until nobody is left under the filter; returns the program's exit code (128 + n for signal n)."""
        listener, gpu = self._listener, self._gpu
        processor = gpu.processor
        turn, rings = processor.turn, processor.rings
        poll = self._poll.poll
        last_work = time.monotonic_ns()
        due = slice_ends = 0
        while True:
            now = time.monotonic_ns()
            idle = now - last_work
            if rings and idle < _SPIN_NS:
                wait: float = 0
            else:
                if now >= due:
                    due = now + int(gpu.tick(now) * 1e9)
                wait = (due - now) / 1e6
                if rings:
                    wait = min(wait, nap_ms(0 if processor.starved else idle))
            for fd, what in poll(wait):
                last_work = now
                if fd != listener.fd:
                    if act := self._watched.get(fd):
                        act()
                elif what & select.POLLIN:
                    due = 0
                    self._serve()
                else:
                    return self._exit_code()
            # Polling doorbells takes a core of its own.
            listener.share_core(not rings)
            if rings and turn():
                last_work = time.monotonic_ns()
                due = 0
            if processor.starved and now >= slice_ends:
                gpu.rotate()
                slice_ends = now + _QUANTUM_NS

    def _serve(self) -> None:
        notification = self._listener.receive()
        if notification is None:
            return
        number, tid, nr, fd, request, where, *_ = notification
        try:
            if nr != seccomp.IOCTL:
                self._files.handle(notification)
            elif not ioctls.answer(self._gpu, seccomp.Call(number, tid, where), fd & 0xFFFFFFFF, request & 0xFFFFFFFF):
                self._listener.proceed(number)
        except OSError as error:
            self._listener.reply(number, error=error.errno or errno.EFAULT)

    def _exit_code(self) -> int:
        _, status = os.waitpid(self.pid, 0)
        code = os.waitstatus_to_exitcode(status)
        return code if code >= 0 else 128 - code
