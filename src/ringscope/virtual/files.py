"""Files of the virtual machine: what the program finds at the paths where amdgpu and amdkfd would put theirs.

The tree is a real folder that lives as long as the supervisor, so that directory listings are the kernel's own. Its
two devices are answered with descriptors of memory files; some files (:meth:`Tree.live`) are written anew whenever
they are looked at.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import struct
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from ringscope.parts.fidelity import Behaviour, Standing
from ringscope.virtual import remote, seccomp

FIDELITY = (
    Behaviour(
        "virtual.files",
        "files of the driver are opened, read, looked at, linked and listed like a real machine's; they cannot be "
        "entered by chdir(2) nor watched, and 32-bit programs and io_uring do not find them",
        Standing.SOURCE,
        "x86-64 programs",
        "seccomp_unotify(2): a call can be answered, its arguments cannot be changed",
        "tests/virtual/test_supervisor.py::test_folders_of_the_host_list_what_the_virtual_machine_has_in_them",
    ),
)

KFD = "/dev/kfd"
RENDER = "/dev/dri/renderD128"
KFD_DEVICE = os.makedev(511, 0)
RENDER_DEVICE = os.makedev(226, 128)
DEVICES = {KFD: KFD_DEVICE, RENDER: RENDER_DEVICE}
_ROOTS_OWN = "/sys/kernel/debug/"
"""debugfs is root's (mode 0700 of its mount). Whoever runs the virtual GPU is root here."""
_MEMORY = "/dev/shm"  # noqa: S108 - the folder made there gets a name nobody can guess, and mode 0700
"""Where the folder lies, if it can: each run writes and removes a hundred small files that need no disk."""
_PREFIX = "ringscope-exec-"
_AT_FDCWD = -100
_AT_EMPTY_PATH = 0x1000
_AT_SYMLINK_NOFOLLOW = 0x100
_STATX_BASIC = 0x7FF
_LSTAT, _NEWFSTATAT, _STATX, _OPENAT2 = map(seccomp.READS_PATH.__getitem__, ("lstat", "newfstatat", "statx", "openat2"))
_LISTING = 1 << 16
"""Bytes of entries that one call is given at most."""


class Tree:
    """The folder behind the virtual paths. ``roots`` are the paths that are served from it, with all below them."""

    def __init__(self, files: Mapping[str, str], links: Mapping[str, str], roots: tuple[str, ...]) -> None:
        self.folder, self._lock = _own_folder()
        self._roots = roots
        self._prefixes = tuple(f"{root}/" for root in roots)
        self._live: dict[str, Callable[[], str]] = {}
        self._live_folders: dict[str, Callable[[], Mapping[str, str]]] = {}
        self._written: dict[str, dict[str, str]] = {}
        for path, content in files.items():
            self._write(path, content)
        self._links: dict[str, str] = {}
        for path, target in links.items():
            os.makedirs(os.path.dirname(self.folder + path), exist_ok=True)  # noqa: PTH103, PTH120
            os.symlink(target, self.folder + path)  # noqa: PTH211
            self._links[path] = os.path.normpath(f"{path}/../{target}")
        for device in DEVICES:
            self._write(device, "")

    def close(self) -> None:
        """Remove the folder."""
        _remove(self.folder)

    def _write(self, path: str, content: str) -> None:
        where = self.folder + path
        try:
            file = open(where, "w")  # noqa: PTH123, SIM115  hundreds of files: speed counts
        except FileNotFoundError:
            os.makedirs(os.path.dirname(where), exist_ok=True)  # noqa: PTH103, PTH120
            file = open(where, "w")  # noqa: PTH123, SIM115
        with file:
            file.write(content)

    def live(self, path: str, content: Callable[[], str]) -> None:
        """Serve a file whose content is made when it is opened."""
        self._live[path] = content
        self._write(path, "")

    def live_folder(self, path: str, content: Callable[[], Mapping[str, str]]) -> None:
        """Serve a folder whose files (by path below it) are made anew whenever anything in it is looked at."""
        self._live_folders[path] = content
        os.makedirs(self.folder + path, exist_ok=True)  # noqa: PTH103

    def virtual(self, path: str) -> str | None:
        """The virtual path that an absolute path means; None when it is none of ours."""
        if path.startswith(self.folder):
            path = path[len(self.folder) :] or "/"
        if "/." in path or "//" in path or path.endswith("/"):
            path = os.path.normpath(path)
        if path in self._roots or path.startswith(self._prefixes):
            return path
        return None

    def within(self, folder: str) -> dict[str, int]:
        """What a folder of the host holds of the virtual machine and not of the host: inode by name."""
        return {
            os.path.basename(root): os.lstat(self.folder + root).st_ino  # noqa: PTH119
            for root in self._roots
            if os.path.dirname(root) == folder and not os.path.lexists(root)  # noqa: PTH120
        }

    def left(self, path: str) -> str | None:
        """The host's path that is meant by one through a virtual folder and out of it again (``/dev/dri/..``)."""
        within, out, _ = path.partition("/..")
        return os.path.normpath(path) if out and self.virtual(within) else None

    def followed(self, path: str) -> str:
        """The virtual path that a virtual path leads to, links followed."""
        for link, target in self._links.items():
            if path == link or path.startswith(f"{link}/"):
                return target + path[len(link) :]
        return path

    def real(self, path: str, opening: bool = False) -> str:
        """Where a virtual path lies in the folder, after what is live there has been refreshed."""
        where = os.path.normpath(self.folder + path)
        if not self._live and not self._live_folders:
            return where
        # A link (/sys/class/kfd/kfd) leads to the place that is live.
        home = self.followed(path)
        if opening and home in self._live:
            self._write(home, self._live[home]())
        for folder, content in self._live_folders.items():
            if home == folder or home.startswith(folder + "/"):
                self._refresh(folder, content())
        return where

    def _refresh(self, folder: str, files: Mapping[str, str]) -> None:
        if self._written.get(folder) == files:
            return
        self._written[folder] = dict(files)
        base = self.folder + folder
        wanted = {path.split("/")[0] for path in files}
        for stale in set(os.listdir(base)) - wanted:  # noqa: PTH208
            _remove(f"{base}/{stale}")
        for name in wanted:
            _remove(f"{base}/{name}")
        for path, content in files.items():
            self._write(f"{folder}/{path}", content)


def _remove(top: str) -> None:
    """A folder with all in it; what a program may have done to it meanwhile is no reason to fail."""
    with suppress(OSError):
        for _, folders, files, within in os.fwalk(top, topdown=False):
            for name in files:
                os.unlink(name, dir_fd=within)
            for name in folders:
                link = stat.S_ISLNK(os.stat(name, dir_fd=within, follow_symlinks=False).st_mode)
                (os.unlink if link else os.rmdir)(name, dir_fd=within)
        os.rmdir(top)  # noqa: PTH106


def _own_folder() -> tuple[str, int]:
    """A new folder, and the descriptor whose lock says that its owner lives; removes those whose owner was killed."""
    above = _MEMORY if os.access(_MEMORY, os.W_OK | os.X_OK) else os.environ.get("TMPDIR", "/tmp")  # noqa: S108
    name = f"{_PREFIX}{os.urandom(8).hex()}"
    os.mkdir(f"{above}/.{name}", 0o700)  # noqa: PTH102
    lock = _locked(f"{above}/.{name}")
    # Only now may another run find it.
    os.rename(f"{above}/.{name}", f"{above}/{name}")  # noqa: PTH104
    with os.scandir(above) as entries:
        others = [entry.path for entry in entries if entry.name.startswith(_PREFIX) and entry.name != name]
    for other in others:
        with suppress(OSError):  # it is another user's, no folder, or its owner lives
            theirs = _locked(other)
            if os.fstat(theirs).st_uid == os.geteuid():
                _remove(other)
            os.close(theirs)
    return f"{above}/{name}", lock


def _locked(folder: str) -> int:
    """A descriptor that holds the lock of a folder; OSError when somebody else does."""
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise
    return lock


class Files:
    """Answers the calls that name a file. ``open_kfd(tid)`` and ``open_render()`` give the devices' descriptors."""

    def __init__(
        self, tree: Tree, listener: seccomp.Listener, open_kfd: Callable[[int], int], open_render: Callable[[], int]
    ) -> None:
        self._tree = tree
        self._listener = listener
        self._openers: dict[str, Callable[[int], int]] = {KFD: open_kfd, RENDER: lambda _: open_render()}
        number = seccomp.READS_PATH
        self._plain = {number["open"], number["stat"], number["lstat"], number["access"], number["readlink"]}
        self._opens = {number["open"], number["openat"], number["openat2"]}
        self._stats = {number["stat"], _LSTAT, _NEWFSTATAT}
        self._links = {number["readlink"], number["readlinkat"]}
        self._attributes = {number[name] for name in ("getxattr", "lgetxattr", "listxattr", "llistxattr")}
        self._plain |= self._attributes
        self._looks = self._attributes | self._stats | {_STATX}

    def handle(self, notification: seccomp.Notification) -> None:
        """Answer one call; raises OSError with the errno to answer."""
        call, tid, nr, *args = notification
        if nr == seccomp.FSTAT:
            self._stat_descriptor(call, tid, args[0], args[1])
            return
        if nr == seccomp.GETDENTS64:
            self._list(call, tid, args[0], args[1], args[2])
            return
        plain = nr in self._plain
        at = args if plain else args[1:]
        folder = _AT_FDCWD if plain else _int32(args[0])
        flags = args[3] if nr == _NEWFSTATAT else args[2] if nr == _STATX else 0
        path = remote.text(tid, at[0])
        if not path:
            if flags & _AT_EMPTY_PATH and nr == _NEWFSTATAT:
                self._stat_descriptor(call, tid, folder, args[2])
            elif flags & _AT_EMPTY_PATH and nr == _STATX:
                self._stat_descriptor(call, tid, folder, args[4], statx=True)
            else:
                self._listener.proceed(call)
            return
        if not path.startswith("/"):
            base = remote.folder(tid) if folder == _AT_FDCWD else remote.descriptor(tid, folder)
            path = f"{base}/{path}"
        virtual = self._tree.virtual(path)
        if virtual and path.endswith(("/", "/.")):
            # A slash behind a link asks for what it leads to, whatever the call says of links.
            virtual = self._tree.followed(virtual)
        if virtual is None and nr in self._looks and (outside := self._tree.left(path)):
            status = os.stat(outside)  # noqa: PTH116
            if nr in self._attributes:
                raise OSError(errno.EOPNOTSUPP, "no attributes")
            self._stat_answer(call, tid, nr, args, status, None)
        elif virtual is None:
            self._listener.proceed(call)
        elif virtual.startswith(_ROOTS_OWN) and remote.user(tid) not in (0, os.geteuid()):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        elif nr in self._opens:
            how = remote.read(tid, args[2], 8) if nr == _OPENAT2 else b""
            self._open(call, tid, virtual, int.from_bytes(how, "little") if how else at[1])
        elif nr in self._links:
            target = os.readlink(self._tree.real(virtual)).replace(self._tree.folder, "").encode()  # noqa: PTH115
            remote.write(tid, at[1], target[: at[2]])
            self._listener.reply(call, min(len(target), at[2]))
        elif nr in self._stats or nr == _STATX:
            follow = not (nr == _LSTAT or flags & _AT_SYMLINK_NOFOLLOW)
            status = os.stat(self._tree.real(virtual), follow_symlinks=follow)  # noqa: PTH116
            self._stat_answer(call, tid, nr, args, status, DEVICES.get(virtual))
        else:
            os.stat(self._tree.real(virtual))  # noqa: PTH116
            # sysfs, debugfs and devices have no attributes beside these; who copies them asks all the same.
            self._listener.reply(call, error=errno.EOPNOTSUPP if nr in self._attributes else 0)

    def _open(self, call: int, tid: int, path: str, flags: int) -> None:
        cloexec = bool(flags & os.O_CLOEXEC)
        if path in self._openers:
            self._listener.give(call, self._openers[path](tid), cloexec)
            return
        fd = os.open(self._tree.real(path, opening=True), (flags & ~os.O_CREAT & ~os.O_TRUNC) | os.O_CLOEXEC)
        try:
            self._listener.give(call, fd, cloexec)
        finally:
            os.close(fd)

    def _list(self, call: int, tid: int, fd: int, where: int, size: int) -> None:
        """A folder of the host shows what the virtual machine has in it: after its first entries."""
        missing = self._tree.within(remote.descriptor(tid, _int32(fd)))
        ours = b"".join(map(_entry, missing, missing.values()))
        entries = b""
        if ours and len(ours) < (size & 0xFFFFFFFF) // 2:
            # Where the host forbids it, the folder is the host's alone.
            with suppress(OSError):
                entries = remote.first_entries(tid, _int32(fd), min(size & 0xFFFFFFFF, _LISTING) - len(ours))
        if entries:
            remote.write(tid, where, entries + ours)
            self._listener.reply(call, len(entries) + len(ours))
        else:
            self._listener.proceed(call)

    def _stat_answer(
        self, call: int, tid: int, nr: int, args: Sequence[int], status: os.stat_result, device: int | None
    ) -> None:
        if nr == _STATX:
            remote.write(tid, args[4], _statx(status, device))
        else:
            remote.write(tid, args[1 if nr in self._plain else 2], _stat(status, device))
        self._listener.reply(call)

    def _stat_descriptor(self, call: int, tid: int, fd: int, where: int, statx: bool = False) -> None:
        name = remote.descriptor(tid, fd & 0xFFFFFFFF)
        device = KFD_DEVICE if is_kfd(name) else RENDER_DEVICE if is_render(name) else None
        if device is None:
            self._listener.proceed(call)
            return
        status = os.stat(self._tree.folder + KFD)  # noqa: PTH116
        remote.write(tid, where, _statx(status, device) if statx else _stat(status, device))
        self._listener.reply(call)


def is_kfd(descriptor: str) -> bool:
    """Whether a descriptor's name (``/proc/PID/fd``) is an opened ``/dev/kfd``."""
    return descriptor.startswith("/memfd:ringscope-kfd-")


def is_render(descriptor: str) -> bool:
    """Whether a descriptor's name is the opened render node."""
    return descriptor.startswith("/memfd:ringscope-drm")


def _entry(name: str, inode: int) -> bytes:
    """``struct linux_dirent64``; a reader who wants to come back here comes back to the start."""
    raw = name.encode() + b"\0"
    size = (19 + len(raw) + 7) & ~7
    return (struct.pack("<QqHB", inode, 0, size, 0) + raw).ljust(size, b"\0")


def _int32(word: int) -> int:
    word &= 0xFFFFFFFF
    return word - (1 << 32) if word >> 31 else word


def _mode(status: os.stat_result, device: int | None) -> int:
    return status.st_mode if device is None else stat.S_IFCHR | 0o666


def _stat(status: os.stat_result, device: int | None) -> bytes:
    """``struct stat`` of x86-64."""
    times = [part for ns in (status.st_atime_ns, status.st_mtime_ns, status.st_ctime_ns) for part in divmod(ns, 10**9)]
    head = (status.st_dev, status.st_ino, status.st_nlink, _mode(status, device), status.st_uid, status.st_gid, 0)
    return struct.pack(
        "<QQQIIIIQqqq6q24x", *head, device or 0, status.st_size, status.st_blksize, status.st_blocks, *times
    )


def _statx(status: os.stat_result, device: int | None) -> bytes:
    """``struct statx``: the basic fields."""
    head = struct.pack(
        "<IIQIIIHxxQQQQ",
        _STATX_BASIC,
        status.st_blksize,
        0,
        status.st_nlink,
        status.st_uid,
        status.st_gid,
        _mode(status, device),
        status.st_ino,
        status.st_size,
        status.st_blocks,
        0,
    )
    times = b"".join(
        struct.pack("<qIxxxx", *divmod(ns, 10**9))
        for ns in (status.st_atime_ns, 0, status.st_ctime_ns, status.st_mtime_ns)
    )
    numbers = (*((os.major(device), os.minor(device)) if device else (0, 0)), os.major(status.st_dev))
    return (head + times + struct.pack("<4I", *numbers, os.minor(status.st_dev))).ljust(256, b"\0")


def missing(error: OSError) -> int:
    """The errno to answer for a failure of our own; a fault when there is none."""
    return error.errno or errno.EFAULT
