"""A virtual AMD GPU for unmodified ROCm programs: no GPU, no driver, no root, no compiler.

``ringscope exec -- PROGRAM`` starts the program under a seccomp filter (:mod:`.seccomp`) and serves what it asks of
the kernel (:mod:`.supervisor`): the files of amdgpu and amdkfd (:mod:`.files`, :mod:`.topology`), the ioctls of
``/dev/kfd`` (:mod:`.ioctls`) and of the render node (:mod:`.drm`). What a queue is and when it sits in a slot is
decided by the modelled driver (:mod:`ringscope.stack.kfd`); rings that have a slot are taken packet by packet
(:mod:`.processor`, :mod:`.aql`, :mod:`.pm4`, :mod:`.sdma`). Memory is one sparse file that both sides map
(:mod:`.memory`), beside what a program shares of its own (:mod:`.svm`). A run can be recorded (:mod:`.record`) and
broken on purpose (:mod:`.injection`).

What is real and what is not: queues, memory, copies, fills, fences, events and everything debugfs shows are what the
program's calls make of them. A program's own kernels are not computed (:mod:`.kernels` says which few are carried out,
:mod:`.images` what becomes of images); they can be let run without computing, for the time that the event engine says,
in competition with each other (:mod:`.timed`). All other packets take no time: queues take turns by priority, then
round robin, at packet borders.

What it cannot do, as the kernel lets a supervisor answer a call but not change its arguments: let a program enter a
virtual folder by chdir(2) (it may open one and fchdir(2) to it, and is then told of the folder behind), have virtual
files watched by inotify(7), or show them to 32-bit programs and to requests of io_uring(7). A mount namespace of the
program's own would do the first. Without root that takes a user namespace, in which every other user's files are
nobody's; many hosts and containers refuse one; and sysfs takes no new folders, so that all of ``/sys/class`` and
``/dev`` would have to be mounted anew, entry by entry. Not worth it for a ``cd``.

Use this room to see what a program asks of the driver, or to run a ROCm program's host side in CI. To ask how long
something takes on a real device, use :mod:`ringscope.scenario`.
"""
