"""Time: the compiled event engine. Arrays in, arrays out; it knows no files, no driver and no command.

Mental model
    A machine has XCCs; each has pipes, and CUs in shader engines. Queues sit in hardware slots, the same on every XCC;
    every slot belongs to a pipe, and a pipe serves one of its queues at a time. All XCCs read the same ring: each takes
    up every packet and places its share of the workgroups. Host threads send packets, wait for signals and think. A
    scheduler decides who sits in the slots. Every rule that is the firmware's secret is a policy (:mod:`.policies`),
    every cost a number with a source (:mod:`.costs`).

    An instant has two halves: all that is due happens, then everyone who decides, decides once. So nothing depends on
    the order in which events were posted, and a run is the same bytes wherever and however often it is interrupted.

Where things are
    :mod:`.spec` is what is asked, checked when built; :mod:`.state` the arrays; :mod:`.core` the loop over what is due
    and what is decided, its rules in the rooms that it names, all one text for Numba and ``numba.cuda``; :mod:`.native`
    that text as machine code, which is kept and needs no Numba; :mod:`.run` drives it, from a spec alone or with
    doorbells, signals and changes from outside.
    ``tests/engine/simpy_oracle.py`` says all of it once more, as SimPy processes.

When to use it
    To ask how long something takes, and who waits for whom. What a driver would do is the stack's question. Memory is
    not modelled, except for one term that is off by default (:attr:`.spec.Packet.bandwidth_ppm`); clocks and power are
    not modelled at all.

Limits
    A run is at most 2 h 26 min of simulated time long; at most 262 144 workgroups are running or saved at once.
"""
