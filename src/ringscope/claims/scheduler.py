"""Claims about the scheduler: runlists, ``active_runlist``, the HIQ, and what the proposals would change."""

from __future__ import annotations

from collections.abc import Iterator

from ringscope.claims import figures
from ringscope.claims.claim import claim
from ringscope.claims.figures import CODE_LOCATIONS, COMPANION, FR, MQ, NOTE_1, NOTE_2, SM, WORKLOAD
from ringscope.claims.lab import Lab, View
from ringscope.claims.reason import Method, Reason
from ringscope.claims.runs import PID, Run, life
from ringscope.claims.timed import Load
from ringscope.recording import Kind, Source
from ringscope.stack.kfd.records import KfdError
from ringscope.stack.kfd.scheduler.cpsch import Cpsch
from ringscope.stack.machine import (
    AsyncSubmission,
    Batching,
    Hybrid,
    NoActiveRunlistCheck,
    PerProcessRunlist,
    Proposal,
    SchedPolicy,
    Scheduling,
)
from ringscope.verdicts import active_runlist, runlists
from ringscope.verdicts.answer import Verdict as Answered

STACK, SIMULATION, CAPTURE, ARITHMETIC = Method.STACK, Method.SIMULATION, Method.CAPTURE, Method.ARITHMETIC
FOUR_STREAMS = (0,) * 4
QUIET = "a capture in which the HIQ's write pointer moves while no queue is created, updated, destroyed or evicted"


def kernels_cost(lab: Lab) -> Reason:
    """What launching kernels puts into the HIQ, on the stack."""
    moved = lab.life.moved[1]
    return STACK.judge(moved > 0, f"{lab.life.kernels} kernels put {moved} dwords into the HIQ, {_per_queue(lab)}")


def _hiqs(view: View) -> Iterator[Source]:
    return (hiq.source for hiq in view.device.hiqs)


def _per_queue(lab: Lab) -> str:
    created, _, gone = lab.life.moved
    return f"creating the queues {created}, destroying them {gone}"


def simulated_cost(lab: Lab) -> Iterator[Reason]:
    """Runlists sent while processes work."""
    if lab.has_time:
        played = lab.played(Load(processes=4))
        yield SIMULATION.judge(
            played.runlists > 0,
            f"4 processes with {played.queues} queues work for {played.seconds:g} s: {played.total} requests done, "
            f"{played.runlists} runlists sent",
        )


def captured_cost(lab: Lab) -> Iterator[Reason]:
    """What the captures leave for kernels, once queue changes are accounted for."""
    for captured in lab.captures.runs:
        answer = runlists.answer(captured.case)
        if answer.verdict is not Answered.UNDECIDED:
            yield CAPTURE.judge(
                answer.verdict is Answered.YES,
                f"{captured.name}: {answer.summary}",
                *(source for because in answer.because for source in because.at[:1]),
            )
    for log in lab.captures.logs:
        if launches := log.counters.get("launches"):
            yield CAPTURE.note(f"{log.origin}: the program launches {launches} kernels between the same two moments")


def blocked(run: Run) -> int:
    """How often ``map_queues`` returned early on ``active_runlist``."""
    scheduler = run.kfd.scheduler(run.gpu)
    return scheduler.blocked_maps if isinstance(scheduler, Cpsch) else 0


def mapped_processes(run: Run) -> int:
    """Processes that the loaded runlist names."""
    return sum(packet.name == "MAP_PROCESS" for packet in run.runlist)


def same_without_check(lab: Lab) -> tuple[bool, Run, Run]:
    """Two processes with ``active_runlist`` looked at and not; whether anything differs."""
    usual = lab.processes(2, proposal=None)
    changed = lab.processes(2, proposal=NoActiveRunlistCheck())
    same = usual.kfd.events == changed.kfd.events and usual.state().snapshot == changed.state().snapshot
    return same and not changed.kfd.breakages, usual, changed


def check_removed(lab: Lab) -> Reason:
    """What removing the check changes."""
    same, usual, _ = same_without_check(lab)
    text = f"with the check removed, two processes do the same, event for event ({len(usual.kfd.events)} events)"
    return STACK.judge(not same, text if same else "with the check removed, two processes end up in another state")


@claim(
    "A12",
    NOTE_1,
    105,
    "1356 KFD_MAP_QUEUES_CPSCH lines were logged.",
    overturned_by="the trace file itself",
    decided_by="sudo grep -c KFD_MAP_QUEUES_CPSCH /sys/kernel/debug/tracing/trace  # the patched driver, after the run",
)
def map_lines(lab: Lab) -> Iterator[Reason]:
    """The trace is in no repository, and the published driver prints no such line."""
    return iter(())


@claim(
    "A13",
    NOTE_1,
    197,
    "1356 lines are 1356 calls of map_queues_cpsch().",
    STACK,
    overturned_by="a runlist of several queues that prints one line",
)
def lines_are_calls(lab: Lab) -> Iterator[Reason]:
    """The line carries one queue id: it is printed for every queue of a runlist."""
    run = lab.fresh(*((0,) * 4,) * 4)
    for program in reversed(run.programs):
        program.exit()
    sent = run.events(Kind.RUNLIST)
    lines = sum(int(event.attrs["queues"]) for event in sent)
    queues = len(run.events(Kind.QUEUE_CREATE))
    yield STACK.judge(
        lines == len(sent), f"{queues} queues created and destroyed one by one: {len(sent)} runlists, {lines} lines"
    )


@claim(
    "A25",
    NOTE_1,
    208,
    "active_runlist makes the map requests of processes wait for each other.",
    STACK,
    CAPTURE,
    overturned_by="a map_queues_cpsch that returns early on active_runlist in a running driver",
)
def serialises(lab: Lab) -> Iterator[Reason]:
    """Early returns while processes start."""
    run = lab.processes(4)
    maps = len(run.events(Kind.RUNLIST))
    yield STACK.judge(
        blocked(run) > 0, f"four processes start: {maps} runlists sent, {blocked(run)} requests held back by the flag"
    )
    for captured in lab.captures.runs:
        answer = active_runlist.answer(captured.case)
        if answer.verdict is not Answered.UNDECIDED:
            yield CAPTURE.judge(answer.verdict is Answered.YES, f"{captured.name}: {answer.summary}")


@claim(
    "A26",
    COMPANION,
    0,
    "The second process's mapping is delayed or skipped.",
    STACK,
    overturned_by="hqds, right after CREATE_QUEUE returned, in which a queue of the second process has no slot",
)
def second_process(lab: Lab) -> Iterator[Reason]:
    """The state when the second process's last CREATE_QUEUE returns."""
    run = lab.processes(2)
    mine = run.of(run.pids[1])
    mapped = sum(bool(queue.slots) for queue in mine)
    processes = mapped_processes(run)
    yield STACK.judge(
        mapped < len(mine) or processes < 2,
        f"{mapped} of its {len(mine)} queues hold a slot; one runlist names {processes} processes",
    )


@claim(
    "A27",
    NOTE_1,
    196,
    "active_runlist costs 30 to 40 QPS.",
    STACK,
    SIMULATION,
    CAPTURE,
    ARITHMETIC,
    overturned_by=QUIET,
)
def costs_qps(lab: Lab) -> Iterator[Reason]:
    """The flag can cost nothing where nobody looks at it."""
    yield kernels_cost(lab)
    yield check_removed(lab)
    yield from simulated_cost(lab)
    yield from captured_cost(lab)
    here, there = figures.COST_ACTIVE_RUNLIST, figures.COST_ACTIVE_RUNLIST_AR
    yield ARITHMETIC.note(f"the notes give the one effect as {here} and as {there} QPS", here.at, there.at)


@claim(
    "A28",
    NOTE_1,
    214,
    "The HIQ, a single channel for all packets, costs 15 to 20 QPS.",
    STACK,
    SIMULATION,
    CAPTURE,
    overturned_by=QUIET,
)
def hiq_costs(lab: Lab) -> Iterator[Reason]:
    """Traffic on the HIQ while kernels run."""
    yield kernels_cost(lab)
    yield from simulated_cost(lab)
    yield from captured_cost(lab)


@claim(
    "A29",
    NOTE_1,
    215,
    "Runlists go to the firmware through the HIQ.",
    STACK,
    CAPTURE,
    overturned_by="a runlist loaded while the HIQ's write pointer stands still",
)
def through_hiq(lab: Lab) -> Iterator[Reason]:
    """The HIQ moves with every runlist, and the hardware shows it."""
    run = lab.processes(1)
    sent = len(run.events(Kind.RUNLIST))
    yield STACK.judge(bool(sent) and run.hiq_dwords > 0, f"{sent} runlists moved the HIQ to {run.hiq_dwords} dwords")
    for view in lab.views():
        hiqs = [hiq for hiq in view.device.hiqs if hiq.active]
        if view.method is CAPTURE:
            place = {(hiq.mec, hiq.pipe, hiq.queue) for hiq in hiqs}
            pointers = {hiq.image.get("cp_hqd_pq_wptr_lo") for hiq in hiqs}
            where = " ".join(f"MEC {mec} pipe {pipe} queue {queue}" for mec, pipe, queue in sorted(place))
            yield view.judge(
                len(place) == 1 and len(pointers) == 1,
                f"active on {where} of {len(hiqs)} XCCs, one write pointer: {min(pointers):#x}",
                *(hiq.source for hiq in hiqs),
            )


@claim(
    "A39",
    NOTE_1,
    258,
    "Removing or relaxing the active_runlist check gives 20 to 30 QPS.",
    STACK,
    SIMULATION,
    CAPTURE,
    ARITHMETIC,
    overturned_by="two runs of one workload, with and without the check, whose QPS differ by more than their spread",
)
def removing(lab: Lab) -> Iterator[Reason]:
    """What the removal changes; and whether anything is left to gain while kernels run."""
    yield check_removed(lab)
    yield kernels_cost(lab)
    yield from simulated_cost(lab)
    yield from captured_cost(lab)
    yield ARITHMETIC.note("the notes' own trial found no effect", Source(SM, 685))


@claim(
    "A40",
    NOTE_1,
    263,
    "Several runlists could be active at once.",
    STACK,
    overturned_by="a driver that loads a second runlist without unmapping the first",
)
def several(lab: Lab) -> Iterator[Reason]:
    """A runlist per process, tried; and what one runlist holds already."""
    try:
        refused = ""
        lab.processes(2, proposal=PerProcessRunlist())
    except KfdError as error:
        refused = str(error)
    yield STACK.judge(not refused, f"the second process is refused: {refused}" if refused else "two were loaded")
    run = lab.run(*((0,),) * 12)
    mapped = len({queue.pid for queue in run.queues if queue.slots})
    yield STACK.note(
        f"one runlist of {mapped_processes(run)} processes has {mapped} of them mapped at once; "
        f"the most is {run.machine.nodes[0].processes_at_once}"
    )


@claim(
    "A44",
    NOTE_1,
    430,
    "NOCPSCH would give the gain.",
    STACK,
    SIMULATION,
    overturned_by="a run with sched_policy=2",
    decided_by=f"""{WORKLOAD}
for policy in 0 2; do
    sudo modprobe -r amdgpu && sudo modprobe amdgpu sched_policy=$policy
    $QPS & $QPS & wait
done""",
)
def nocpsch(lab: Lab) -> Iterator[Reason]:
    """What is known: the dispatch path is the same, and over-subscription is lost."""
    if lab.has_time:
        rates = [lab.played(Load(processes=2, scheduler=scheduler)).total for scheduler in ("cpsch", "nocpsch")]
        yield SIMULATION.judge(
            rates[1] > rates[0] * (1 + SPREAD),
            f"two processes do {rates[0]} requests with CPSCH and {rates[1]} with sched_policy=2",
        )
    static = lab.fresh((), sched_policy=SchedPolicy.NO_HWS, proposal=None)
    moved = life(static).moved[1]
    yield STACK.note(f"kernels put {lab.life.moved[1]} dwords into the HIQ with CPSCH and {moved} with sched_policy=2")
    count = 0
    try:
        for count in range(1, 32):
            lab.processes(count, sched_policy=SchedPolicy.NO_HWS, proposal=None)
    except KfdError as error:
        yield STACK.note(f"{count - 1} processes of 5 queues fit, the next one is refused: {error}")


SPREAD = 0.05
"""A smaller gain counts as none; the claim is of 40 % and more."""
PROPOSALS: tuple[Proposal, ...] = (
    Batching(),
    PerProcessRunlist(),
    AsyncSubmission(),
    Hybrid(static_pids=frozenset({PID})),
)


@claim(
    "A45",
    NOTE_1,
    76,
    "Five changes of the scheduler give 15 to 50 QPS each.",
    STACK,
    overturned_by="a proposal under which kernels cost fewer HIQ dwords than without it",
)
def five_schemes(lab: Lab) -> Iterator[Reason]:
    """All attack runlists; what they can save while kernels run is what runlists cost there."""
    usual = life(lab.fresh((), proposal=None))
    rows, saved = [], 0
    variants = [(proposal, SchedPolicy.HWS) for proposal in PROPOSALS]
    for proposal, policy in (*variants, (None, SchedPolicy.NO_HWS)):
        run = lab.fresh((), proposal=proposal, sched_policy=policy)
        name = type(proposal).__name__ if proposal else "NOCPSCH"
        try:
            changed = life(run)
        except KfdError as error:
            rows.append(f"{name}: breaks ({error})")
            continue
        saved += usual.moved[1] - changed.moved[1]
        broken = f", {len(run.kfd.breakages)} promises broken" if run.kfd.breakages else ""
        try:
            lab.processes(2, proposal=proposal, sched_policy=policy)
            second = ""
        except KfdError as error:
            second = f", a second process is refused ({error})"
        rows.append(f"{name}: {changed.moved[0]} dwords at start for {usual.moved[0]}{broken}{second}")
    yield STACK.judge(saved > 0, f"HIQ dwords saved while {usual.kernels} kernels run: {saved} by all of them together")
    yield from (STACK.note(row) for row in rows)


@claim(
    "A46",
    MQ,
    0,
    "A map call takes 200 to 600 us, 2.7 to 8.1 % of a run of 10 s.",
    overturned_by="a function trace of the same run with 1356 calls",
    decided_by=f"""{WORKLOAD}
sudo trace-cmd record -p function_graph -l map_queues_cpsch $QPS && trace-cmd report | grep -c map_queues_cpsch""",
)
def map_time(lab: Lab) -> Iterator[Reason]:
    """The estimate's arithmetic, and the count that it starts from."""
    call, share, lines = figures.MAP_CALL_US, figures.MAP_SHARE_PERCENT, figures.MAP_LINES
    low, high = (lines.low * time / 1e7 * 100 for time in (call.low, call.most))
    yield ARITHMETIC.note(
        f"{lines} x {call} us = {low:.1f} to {high:.1f} % of 10 s; stated: {share} %", lines.at, call.at
    )
    calls = lines_are_calls.examine(lab)
    yield STACK.note(f"are lines calls? {calls.verdict.value}: {calls.figures}")


@claim(
    "A47",
    COMPANION,
    0,
    "update_queue() is called for every iteration (350 x 4).",
    STACK,
    CAPTURE,
    overturned_by=QUIET,
)
def update_per_iteration(lab: Lab) -> Iterator[Reason]:
    """UPDATE_QUEUE calls of the program, and the HIQ dwords that each would leave."""
    run = lab.fresh(FOUR_STREAMS)
    before = len(run.events(Kind.QUEUE_UPDATE))
    kernels = run.launch(350)
    updates = len(run.events(Kind.QUEUE_UPDATE)) - before
    yield STACK.judge(updates >= kernels, f"{kernels} kernels, {updates} UPDATE_QUEUE calls")
    yield from captured_cost(lab)


@claim(
    "A48",
    COMPANION,
    0,
    "MI308X uses CPSCH by default.",
    STACK,
    CAPTURE,
    overturned_by="an MI308X with amdgpu's defaults and no active HIQ",
)
def cpsch(lab: Lab) -> Iterator[Reason]:
    """The scheduler of the part; then the HIQ of the captures."""
    node = lab.machine().nodes[0]
    yield STACK.judge(node.scheduling is Scheduling.CPSCH, f"{node.part.name}: {node.scheduling.name}")
    for view in lab.views():
        if view.method is CAPTURE:
            hiqs = sum(hiq.active for hiq in view.device.hiqs)
            yield view.judge(hiqs > 0, f"the HIQ is active on {hiqs} XCCs", *_hiqs(view))


@claim(
    "A49",
    FR,
    0,
    "MI300A, MI250X and RX 7900 have MES and would avoid the problem.",
    STACK,
    overturned_by="an MI300A or MI250X whose driver sets enable_mes",
)
def mes_parts(lab: Lab) -> Iterator[Reason]:
    """The scheduler of each part named."""
    for key in ("mi300a", "mi250x", "navi31"):
        node = lab.machine(key).nodes[0]
        yield STACK.judge(node.scheduling is Scheduling.MES, f"{node.part.name}: {node.scheduling.name}")


@claim(
    "A52",
    NOTE_1,
    201,
    "map_queues_cpsch() returns early when active_runlist is set.",
    STACK,
    overturned_by="a second RUN_LIST without an UNMAP_QUEUES before it",
)
def early_return(lab: Lab) -> Iterator[Reason]:
    """Ask for a second runlist, as no caller does."""
    run = lab.fresh((0,))
    scheduler = run.kfd.scheduler(run.gpu)
    if not isinstance(scheduler, Cpsch):
        return
    before = run.hiq_dwords
    try:
        scheduler.map_without_unmap()
        result = f"{blocked(run)} early return"
    except KfdError as error:
        result = f"refused with {error}"
    moved = run.hiq_dwords - before
    yield STACK.judge(
        moved == 0 and blocked(run) == 1, f"a map request on top of a loaded runlist: {result}, {moved} HIQ dwords"
    )
    yield STACK.note("its statistics stand in /sys/kernel/debug/kfd/scheduler_stats, not dri/0/kfd_dqm_stats")


@claim(
    "A55",
    NOTE_1,
    300,
    "The layers that cost time come in the order scheduler, ring, hardware.",
    STACK,
    SIMULATION,
    CAPTURE,
    overturned_by=QUIET,
)
def layers(lab: Lab) -> Iterator[Reason]:
    """Work of the software layers at a launch."""
    run = lab.fresh(FOUR_STREAMS)
    before = len(run.kfd.events), sum(len(program.journal.layer("thunk")) for program in run.programs)
    kernels = run.launch()
    after = len(run.kfd.events), sum(len(program.journal.layer("thunk")) for program in run.programs)
    yield STACK.judge(
        after != before, f"{kernels} kernels: {after[0] - before[0]} scheduler events, {after[1] - before[1]} ioctls"
    )
    yield kernels_cost(lab)
    yield from simulated_cost(lab)
    yield from captured_cost(lab)


@claim(
    "B17",
    NOTE_2,
    93,
    "MES sees the doorbell, reads the MQDs and schedules.",
    STACK,
    CAPTURE,
    overturned_by="an MI308X without HIQ",
)
def mes_schedules(lab: Lab) -> Iterator[Reason]:
    """Who schedules the part, and what the driver tells it at a launch."""
    node = lab.machine().nodes[0]
    yield STACK.judge(node.scheduling is Scheduling.MES, f"{node.part.name}: {node.scheduling.name}")
    for view in lab.views():
        if view.method is CAPTURE:
            hiqs = sum(hiq.active for hiq in view.device.hiqs)
            yield view.judge(not hiqs, f"the HIQ is active on {hiqs} XCCs", *_hiqs(view))


@claim(
    "B18",
    NOTE_2,
    5,
    "The core mechanism is the same under MES and CPSCH.",
    STACK,
    overturned_by="an MES part whose queues have other priority registers, or that needs a runlist",
)
def same_mechanism(lab: Lab) -> Iterator[Reason]:
    """Registers of a HIGH queue on both kinds of part; then what creating it takes."""
    runs = [lab.run((-1,)), lab.run((-1,), part="navi31")]
    names = ("cp_hqd_pipe_priority", "cp_hqd_queue_priority", "cp_hqd_quantum")
    found = [tuple(run.queues[0].queue.mqds[0].image.get(name) for name in names) for run in runs]
    yield STACK.judge(
        found[0] == found[1],
        f"pipe priority, queue priority, quantum of a HIGH queue: {_hex(found[0])} and {_hex(found[1])}",
    )
    sent = [len(run.events(Kind.RUNLIST)) for run in runs]
    yield STACK.judge(
        sent[0] == sent[1],
        f"runlists for the same queues: {sent[0]} with CPSCH, {sent[1]} on {runs[1].machine.nodes[0].part.name}",
    )


def _hex(values: tuple[int, ...]) -> str:
    return "/".join(f"{value:#x}" if value > 15 else str(value) for value in values)


@claim(
    "B19",
    NOTE_2,
    6,
    "CPSCH needs PM4 packets besides, to send the runlist.",
    STACK,
    CAPTURE,
    overturned_by="queues created under CPSCH while the HIQ stands still",
)
def extra_packets(lab: Lab) -> Iterator[Reason]:
    """HIQ dwords of five creates."""
    created = lab.life.moved[0]
    queues = len(lab.processes(1).queues)
    yield STACK.judge(created > 0, f"creating {queues} queues puts {created} dwords into the HIQ")
    for captured in lab.captures.runs:
        grown = [account for account in captured.case.intervals if account.created]
        if grown:
            yield CAPTURE.judge(
                grown[0].dwords > 0,
                f"{captured.name}: {grown[0].created} creates, {grown[0].dwords} dwords",
                *grown[0].sources,
            )


@claim(
    "B27",
    CODE_LOCATIONS,
    0,
    "The MQD is made by init_mqd() of kfd_mqd_manager_v11.c.",
    STACK,
    CAPTURE,
    overturned_by="an MI308X MQD with PRELOAD_SIZE 0x55",
)
def which_init(lab: Lab) -> Iterator[Reason]:
    """v11 writes PRELOAD_SIZE 0x55, v9 0x53."""
    v11 = lab.run((0,), part="navi31").queues[0].register("cp_hqd_persistent_state", "preload_size")
    for view in lab.views():
        found = set(view.registers("cp_hqd_persistent_state", "preload_size"))
        yield view.judge(
            v11 in found,
            f"PRELOAD_SIZE {', '.join(f'{value:#x}' for value in sorted(found))}; v11 writes {v11:#x}, v9.4.3 0x53",
        )
