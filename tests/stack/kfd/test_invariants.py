"""What holds whatever processes do: random creates, updates, deaths and evictions on every scheduler and generation."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from ringscope.evidence.collect import collect
from ringscope.parts import pm4
from ringscope.parts.queue_types import IoctlQueueType
from ringscope.stack.kfd import Kfd
from ringscope.stack.kfd.node import Node
from ringscope.stack.kfd.records import Action, CreateQueue, KfdError, Step, UpdateQueue, hiq_dwords
from ringscope.stack.kfd.runlist import Limit, Runlist
from ringscope.stack.kfd.scheduler import Scheduler
from ringscope.stack.kfd.scheduler.cpsch import Cpsch
from ringscope.stack.kfd.scheduler.nocpsch import Nocpsch
from ringscope.stack.machine import AsyncSubmission, MachineSpec, NoActiveRunlistCheck, QueueIds, SchedPolicy
from ringscope.stack.text import capture

PIDS = st.integers(1, 18)
TYPES = st.sampled_from(
    (
        *(IoctlQueueType.COMPUTE_AQL,) * 6,
        *(IoctlQueueType.COMPUTE, IoctlQueueType.SDMA, IoctlQueueType.SDMA_XGMI, IoctlQueueType.SDMA_BY_ENG_ID),
    )
)


class Life(RuleBasedStateMachine):
    """Processes come, make queues, change and lose them, and die, on a machine of two devices."""

    machine: MachineSpec

    @initialize()
    def power_on(self) -> None:
        self.kfd = Kfd(self.machine)
        self.gpus = tuple(node.gpu_id for node in self.machine.nodes)
        self.free = {gpu: self.held(self.kfd.node(gpu)) for gpu in self.gpus}
        self.expected = {gpu: self.written(gpu) for gpu in self.gpus}
        self.over = dict.fromkeys(self.gpus, False)

    def written(self, gpu: int) -> int:
        hiq = self.kfd.node(gpu).hiq
        return hiq.wptr_dwords if hiq else 0

    @staticmethod
    def held(node: Node) -> tuple[int, int, int, int]:
        return node.gart.objects.held_bytes, node.gart.pool.held_bytes, node.bar.held_bytes, node.sdma.held

    def took(self, steps: tuple[Step, ...]) -> None:
        """Every step is of a known cost, and the HIQ moved by what the steps say."""
        size = {
            Action.RUN_LIST: {4},
            Action.UNMAP_QUEUES: {6},
            Action.QUERY_STATUS: {7},
            Action.WRITE_DATA: {5},
            Action.NOP: set(range(1, 9)),
        }
        for step in steps:
            assert step.dwords in size.get(step.action, {0})
            self.expected[step.gpu_id] += step.dwords
        for gpu in self.gpus:
            assert self.written(gpu) == self.expected[gpu]

    def some_queue(self, pid: int, pick: int) -> int | None:
        if pid not in {process.pid for process in self.kfd.processes}:
            return None
        queues = sorted(self.kfd.process(pid).queues)
        return queues[pick % len(queues)] if queues else None

    @rule(
        pid=PIDS,
        gpu=st.integers(0, 7),
        kind=TYPES,
        priority=st.integers(0, 15),
        size=st.sampled_from((4096, 1 << 20)),
        percentage=st.sampled_from((100, 100, 100, 0)),
    )
    def create(self, pid: int, gpu: int, kind: IoctlQueueType, priority: int, size: int, percentage: int) -> None:
        gpu_id = self.gpus[gpu % len(self.gpus)]
        spec = self.kfd.node(gpu_id).spec
        area = spec.save_area
        request = CreateQueue(
            gpu_id,
            kind,
            0x7F00_0000_0000,
            size,
            0x7E00_0000_0080,
            0x7E00_0000_0038,
            percentage,
            priority,
            eop_base=0x7D00_0000_0000,
            eop_bytes=spec.part.eop_bytes,
            cwsr_base=0x7C00_0000_0000 if area.cwsr_bytes else 0,
            cwsr_bytes=area.cwsr_bytes,
            ctl_stack_bytes=area.ctl_stack_bytes,
        )
        before = self.kfd.scheduler(gpu_id)
        mapped_before = before.runlist is not None
        try:
            created = self.kfd.create_queue(pid, request)
        except KfdError:
            self.took(())
            return
        self.took(created.steps)
        if isinstance(before, Cpsch):
            active = percentage > 0 and not self.kfd.process(pid).devices[gpu_id].evictions and not before.halted
            cost = sum(step.dwords for step in created.steps if step.action is not Action.NOP)
            assert cost == (0 if not active else 17 if mapped_before else 4)

    @rule(pid=PIDS, gpu=st.integers(0, 7), count=st.integers(5, 30))
    def crowd(self, pid: int, gpu: int, count: int) -> None:
        for _ in range(count):
            self.create(pid, gpu, IoctlQueueType.COMPUTE_AQL, 7, 4096, 100)

    @rule(gpu=st.integers(0, 7))
    def slice_ends(self, gpu: int) -> None:
        gpu_id = self.gpus[gpu % len(self.gpus)]
        before = len(self.kfd.node(gpu_id).mec.occupied)
        now = self.kfd.rotate(gpu_id)
        assert (now == 0) == (before == 0)

    @rule()
    def look(self) -> None:
        """A snapshot shows each mapped queue in one slot of every XCC, under its own doorbell and MQD."""
        snapshot = self.kfd.snapshot()
        for device in snapshot.devices:
            node = self.kfd.node(device.gpu_id)
            mine = {
                queue.compute: queue
                for process in self.kfd.processes
                for queue in process.queues.values()
                if queue.compute and queue.home.gpu_id == device.gpu_id
            }
            expected = {(slot.pipe, slot.queue): mine[slot.mqd] for slot in node.mec.occupied if slot.mqd}
            for xcc in range(node.spec.xccs):
                shown = {(slot.pipe, slot.queue): slot.image for slot in device.hqds if slot.xcc == xcc and slot.active}
                assert shown.keys() == expected.keys()
                for place, queue in expected.items():
                    image = shown[place]
                    assert image.get("cp_hqd_pq_doorbell_control", "doorbell_offset") == queue.doorbell
                    assert image.get("cp_hqd_queue_priority") == queue.request.priority
                    (mqd,) = (
                        copy
                        for process, other in snapshot.queues
                        for copy in other.mqds
                        if other.qid == queue.qid and process.pid == queue.home.process.pid and copy.xcc == xcc
                    )
                    assert image.word(128) == mqd.image.word(128)

    @rule()
    def read_back(self) -> None:
        """The driver's own text, read as a capture of a real machine is, gives every image and register again."""
        snapshot = self.kfd.snapshot()
        with tempfile.TemporaryDirectory() as folder:
            for name, text in capture(snapshot).items():
                file = Path(folder, name)
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text)
            (read,) = collect([folder], self.machine.nodes[0].generation).snapshots
        for shown, device in zip(read.devices, snapshot.devices, strict=True):
            # gfx8 prints two registers less.
            size = min((len(slot.image.data) for slot in shown.hqds), default=0)
            made = () if device.stopped else device.hqds
            assert [slot.image.data for slot in shown.hqds] == [slot.image.data[:size] for slot in made]
            assert (shown.runlist and shown.runlist.words) == (device.runlist and device.runlist.words)
        for (owner, queue), (process, real) in zip(read.queues, snapshot.queues, strict=True):
            assert (owner.pid, queue.gpu_id) == (process.pid, real.gpu_id)
            # Behind a compute queue the driver dumps an SDMA queue as often as there are XCCs.
            assert [mqd.image.data for mqd in real.mqds] == [mqd.image.data for mqd in queue.mqds][: len(real.mqds)]

    @rule(pid=PIDS, pick=st.integers(0, 99))
    def destroy(self, pid: int, pick: int) -> None:
        qid = self.some_queue(pid, pick)
        if qid is None:
            return
        queue = self.kfd.queue(pid, qid)
        scheduler, counted = self.kfd.scheduler(queue.home.gpu_id), queue.counted
        steps = self.kfd.destroy_queue(pid, qid)
        self.took(steps)
        if isinstance(scheduler, Cpsch):
            cost = sum(step.dwords for step in steps if step.action is not Action.NOP)
            assert cost == (0 if not counted or scheduler.halted else 17 if scheduler.active else 13)

    @rule(pid=PIDS, pick=st.integers(0, 99), priority=st.integers(0, 15), percentage=st.sampled_from((100, 0)))
    def update(self, pid: int, pick: int, priority: int, percentage: int) -> None:
        qid = self.some_queue(pid, pick)
        if qid is not None:
            self.took(self.kfd.update_queue(pid, UpdateQueue(qid, 1 << 40, 1 << 16, percentage, priority)))

    @rule(pid=PIDS, pick=st.integers(0, 99), mask=st.integers(0, 0xFFFF))
    def mask(self, pid: int, pick: int, mask: int) -> None:
        qid = self.some_queue(pid, pick)
        if qid is not None:
            pairs = sum(0b11 << 2 * i for i in range(16) if mask >> i & 1)
            self.took(self.kfd.set_cu_mask(pid, qid, (pairs,)))

    @rule(pid=PIDS, pick=st.integers(0, 99), entries=st.sampled_from((0, 1)))
    def cooperative(self, pid: int, pick: int, entries: int) -> None:
        qid = self.some_queue(pid, pick)
        if qid is not None:
            try:
                self.took(self.kfd.alloc_queue_gws(pid, qid, entries))
            except KfdError:
                self.took(())

    @rule(pid=PIDS, gpu=st.none() | st.integers(0, 7))
    def evict(self, pid: int, gpu: int | None) -> None:
        if pid in {process.pid for process in self.kfd.processes}:
            self.took(self.kfd.evict(pid, None if gpu is None else self.gpus[gpu % len(self.gpus)]))

    @rule(pid=PIDS, gpu=st.none() | st.integers(0, 7))
    def restore(self, pid: int, gpu: int | None) -> None:
        if pid in {process.pid for process in self.kfd.processes}:
            self.took(self.kfd.restore(pid, None if gpu is None else self.gpus[gpu % len(self.gpus)]))

    @rule(pid=PIDS, pick=st.integers(0, 99), again=st.booleans(), grace=st.none() | st.integers(0, 255))
    def debug(self, pid: int, pick: int, again: bool, grace: int | None) -> None:
        qid = self.some_queue(pid, pick)
        if qid is not None:
            steps = self.kfd.resume_queues(pid, [qid]) if again else self.kfd.suspend_queues(pid, [qid], grace)
            self.took(steps)

    @rule(pid=PIDS)
    def die(self, pid: int) -> None:
        if pid in {process.pid for process in self.kfd.processes}:
            self.took(self.kfd.exit(pid))
            assert not any(process.pid == pid for process in self.kfd.processes)

    @rule(gpu=st.integers(0, 7), on=st.booleans())
    def halt(self, gpu: int, on: bool) -> None:
        gpu_id = self.gpus[gpu % len(self.gpus)]
        self.took(self.kfd.halt(gpu_id))
        if on:
            self.took(self.kfd.unhalt(gpu_id))

    def teardown(self) -> None:
        """When every process is gone, everything they had is back."""
        if not hasattr(self, "kfd"):
            return
        for process in self.kfd.processes:
            self.took(self.kfd.exit(process.pid))
        for gpu in self.gpus:
            scheduler = self.kfd.scheduler(gpu)
            assert self.held(scheduler.node) == self.free[gpu]
            assert (scheduler.total, scheduler.active, scheduler.active_compute, scheduler.active_gws) == (0, 0, 0, 0)
            assert not scheduler.processes
            assert scheduler.runlist is None
            assert not scheduler.node.mec.occupied
            assert not scheduler.node.rlcs.running
            if isinstance(scheduler, Nocpsch):
                assert scheduler.free_slots == len(scheduler.node.spec.slots)
                assert not scheduler.vmids_held

    @invariant()
    def doorbells_are_unique(self) -> None:
        if not hasattr(self, "kfd"):
            return
        # Nodes of one device share its BAR.
        devices = {node.gpu_id: node.device for node in self.machine.nodes}
        seen: Counter[tuple[int, int]] = Counter()
        for process in self.kfd.processes:
            for queue in process.queues.values():
                assert queue.qid in process.queue_ids
                seen[devices[queue.home.gpu_id], queue.doorbell] += 1
        assert not seen or max(seen.values()) == 1

    @invariant()
    def queues_sit_where_they_should(self) -> None:
        if not hasattr(self, "kfd"):
            return
        for gpu in self.gpus:
            scheduler = self.kfd.scheduler(gpu)
            node = scheduler.node
            active = [queue for home in scheduler.processes for queue in home.newest_first()]
            cells = {queue.compute for queue in active if queue.compute}
            assert scheduler.active == len(active)
            assert scheduler.active_compute == len(cells)
            mapped = [slot.mqd for slot in node.mec.occupied]
            assert len(mapped) == len(set(mapped)) <= len(node.mec.slots)
            assert set(mapped) <= cells
            assert len({(slot.pipe, slot.queue) for slot in node.mec.occupied}) == len(mapped)
            vmids = {slot.vmid for slot in node.mec.occupied}
            assert vmids <= set(node.spec.vmids)
            self.check_oversubscription(scheduler, len(cells), len(mapped))

    def check_oversubscription(self, scheduler: Scheduler, wanted: int, mapped: int) -> None:
        spec = scheduler.node.spec
        if isinstance(scheduler, Nocpsch):
            assert mapped == (wanted if scheduler.running else 0)
        if isinstance(scheduler, Cpsch):
            over = {
                Limit.PROCESSES: len(scheduler.processes) > len(spec.vmids),
                Limit.QUEUES: wanted > len(spec.slots),
                Limit.GWS: sum(q.gws for home in scheduler.processes for q in home.newest_first()) > 1,
            }
            assert set(scheduler.limits) == {limit for limit, exceeded in over.items() if exceeded}
            runlist = scheduler.runlist
            assert (runlist is not None) == (scheduler.active > 0 and not scheduler.halted)
            if runlist is not None:
                limits = runlist.size.limits
                if not limits:
                    assert mapped == wanted
                if limits == (Limit.QUEUES,):
                    assert mapped == len(spec.slots)
                self.check_runlist(runlist)

    @staticmethod
    def check_runlist(runlist: Runlist) -> None:
        """The runlist, read back packet by packet, names the active queues newest first."""
        words, doorbells, at, rest = runlist.words, [], 0, []
        while at < len(words):
            opcode = pm4.opcode_of(words[at])
            if opcode == pm4.MAP_QUEUES:
                doorbells.append((words[at + 2] >> 2, words[at + 3] | words[at + 4] << 32))
            else:
                rest.append(opcode)
            at += pm4.packet_dwords(words[at])
        assert at == len(words) == runlist.size.dwords
        active = [queue for home in runlist.processes for queue in home.newest_first()]
        assert doorbells == [(queue.doorbell, queue.mqd_address) for queue in active]
        chained = [pm4.RUN_LIST] if runlist.size.limits else []
        assert rest == [pm4.MAP_PROCESS] * len(runlist.processes) + chained


MACHINES = {
    "vega10": MachineSpec.of("vega10", 2),
    "mi308x": MachineSpec.of("mi308x", 2),
    "mi308x-pid-hash": MachineSpec.of("mi308x", 2, queue_ids=QueueIds.PID_HASH),
    "mi308x-cpx": MachineSpec.of("mi308x", 1, "cpx"),
    "mi308x-no-hws": MachineSpec.of("mi308x", 2, sched_policy=SchedPolicy.NO_HWS),
    "mi308x-no-oversubscription": MachineSpec.of(
        "mi308x", 2, num_kcq=8, sched_policy=SchedPolicy.HWS_NO_OVERSUBSCRIPTION
    ),
    "mi308x-async": MachineSpec.of("mi308x", 2, proposal=AsyncSubmission()),
    "mi308x-unchecked": MachineSpec.of("mi308x", 2, proposal=NoActiveRunlistCheck()),
    "navi10": MachineSpec.of("navi10", 2),
    "navi31": MachineSpec.of("navi31", 2),
    "navi48": MachineSpec.of("navi48", 2),
    "fiji": MachineSpec.of("fiji", 2),
    "fiji-no-hws": MachineSpec.of("fiji", 2, sched_policy=SchedPolicy.NO_HWS, cwsr=False),
    "polaris11": MachineSpec.of("polaris11", 2),
}


@pytest.mark.parametrize("name", MACHINES)
def test_life(name: str) -> None:
    class Here(Life):
        machine = MACHINES[name]

    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=15,
            stateful_step_count=50,
            deadline=None,
            derandomize=True,
            suppress_health_check=(HealthCheck.too_slow,),
        ),
    )


def test_hiq_formula() -> None:
    """n creates from empty cost 4 + 17 (n - 1), n destroys 17 (n - 1) + 13, and a death 13, padding apart."""
    for n in (1, 2, 5, 25):
        machine = MachineSpec.of("mi308x")
        (node,) = machine.nodes
        kfd = Kfd(machine)
        request = CreateQueue(node.gpu_id, IoctlQueueType.COMPUTE_AQL, 1 << 40, 4096, 0x80, 0x38)

        def cost(steps: tuple[Step, ...]) -> int:
            return hiq_dwords(tuple(step for step in steps if step.action is not Action.NOP))

        created = [kfd.create_queue(1, request) for _ in range(n)]
        assert sum(cost(queue.steps) for queue in created) == 4 + 17 * (n - 1)
        assert sum(cost(kfd.destroy_queue(1, queue.queue_id)) for queue in created) == 17 * (n - 1) + 13
        for _ in range(n):
            kfd.create_queue(1, request)
        assert cost(kfd.exit(1)) == 13
