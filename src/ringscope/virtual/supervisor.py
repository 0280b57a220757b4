"""Starts a program under the virtual GPU and serves it until the last of its processes has gone.

One thread and one loop: calls from the kernel, deaths of clients, doorbells, deadlines. A doorbell is memory, which
wakes nobody: while there is work they are polled; when there is none, between naps that grow with the pause, so that a
packet waits for at most an eighth of the time in which nothing happened, and never longer than 8 ms. Any call of a
program (a wait for an event is one) ends a nap. Without queues the loop sleeps until it is called.

A caller that sleeps for its answer lets its core halt, and to wake that takes longer than the answer. So in a run of
calls the supervisor does not poll: it answers, sleeps, and the kernel lets the two alternate on one core. A doorbell
ends the run; it may have waited for the pause that the next call was given.
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
_RUN = 8
"""After so many calls without a doorbell between them the next thing is expected to be a call, too."""
_PAUSE_S = 50e-6
"""How long it is waited for, asleep. The kernel adds up to the timer slack, 50 µs."""
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


def launch(command: Sequence[str], environment: Mapping[str, str]) -> tuple[int, socket.socket]:
    """Start a program under the filter; returns its process id and what its listener will come from.

    What it asks for first waits until it is served, so there is time to get ready. InputError: no such program.
    """
    program = program_of(command, environment)
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        _become(program, command, {**ENVIRONMENT, **environment}, theirs)
    theirs.close()
    return pid, ours


def listener_of(program: socket.socket) -> int:
    """The listener of a program that was launched; InputError when the host forbids what it needs."""
    with program:
        message, control, _, _ = program.recvmsg(1000, socket.CMSG_SPACE(4))
    if not control:
        raise InputError(message.decode(errors="replace") or "the program could not be started")
    return array.array("i", control[0][2])[0]


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


def may_share_core(tid: int) -> bool:
    """Whether a thread may run on a core that this process may run on."""
    try:
        return not os.sched_getaffinity(0).isdisjoint(os.sched_getaffinity(tid))
    except OSError:  # it has gone
        return False


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
        poll, clock = self._poll.poll, time.monotonic_ns
        last_work = clock()
        slice_ends = calls = 0
        in_step = False
        while True:
            now = clock()
            idle = now - last_work
            if rings and idle < _SPIN_NS:
                wait: float = 0
            else:
                if now >= gpu.due_ns:
                    gpu.due_ns = now + int(gpu.tick(now) * 1e9)
                wait = (gpu.due_ns - now) / 1e6
                if rings:
                    wait = min(wait, nap_ms(0 if processor.starved else idle))
            caller = 0
            for fd, what in poll(wait):
                last_work = now
                if fd != listener.fd:
                    if act := self._watched.get(fd):
                        act()
                elif what & select.POLLIN:
                    caller = self._serve()
                    calls += 1
                    if calls == _RUN:
                        in_step = may_share_core(caller)
                else:
                    return self._exit_code()
            # Who polls doorbells takes a core of its own.
            listener.share_core(in_step or not rings)
            done = turn() if rings else 0
            if in_step and caller and rings and not done:
                done = self._keep_step(turn)
            if done:
                last_work = clock()
                gpu.due_ns = calls = 0
                in_step = False
            if processor.starved and now >= slice_ends:
                gpu.rotate()
                slice_ends = now + _QUANTUM_NS

    def _keep_step(self, turn: Callable[[], int]) -> int:
        """Serve calls as long as each follows the last without a pause; returns what a doorbell among them caused."""
        listener = (self._listener.fd,)
        for _ in range(_RUN):  # then whoever else is waited for has a turn
            if not select.select(listener, (), (), _PAUSE_S)[0] or not self._serve():
                break
            if done := turn():
                return done
        return 0

    def _serve(self) -> int:
        """Answer the next call; returns the thread that made it, 0 when it has gone."""
        notification = self._listener.receive()
        if notification is None:
            return 0
        number, tid, nr, fd, request, where, _, _, _ = notification
        try:
            if nr != seccomp.IOCTL:
                self._files.handle(notification)
            elif not ioctls.answer(self._gpu, seccomp.Call(number, tid, where), fd & 0xFFFFFFFF, request & 0xFFFFFFFF):
                self._listener.proceed(number)
        except OSError as error:
            self._listener.reply(number, error=error.errno or errno.EFAULT)
        return tid

    def _exit_code(self) -> int:
        _, status = os.waitpid(self.pid, 0)
        code = os.waitstatus_to_exitcode(status)
        return code if code >= 0 else 128 - code
