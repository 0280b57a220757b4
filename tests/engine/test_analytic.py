"""Where the model reduces to a queue that has a formula, it gives the formula."""

import math

import numpy as np
import pytest

from ringscope.engine.run import Engine
from ringscope.engine.spec import (
    Arrival,
    Costs,
    HostThread,
    Machine,
    Packet,
    Queue,
    Room,
    Source,
    Spec,
    constant,
    exponential,
)

ONE = Room(1, 0, 0, 1)


def mean_and_error(waits: "np.ndarray[tuple[int], np.dtype[np.float64]]", batches: int = 20) -> tuple[float, float]:
    """Mean and its 99.7 % half width by batch means, after a tenth of warm-up."""
    kept = waits[len(waits) // 10 :]
    means = np.array([chunk.mean() for chunk in np.array_split(kept, batches)])
    return float(means.mean()), float(3 * means.std(ddof=1) / math.sqrt(batches))


def run(spec: Spec, until: int) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    engine = Engine(spec)
    engine.run(until)
    log = engine.log[np.argsort(engine.log["arrival"], kind="stable")]
    return np.asarray(log["done"] - log["arrival"], float)


@pytest.mark.parametrize("load", [0.3, 0.6, 0.8])
def test_m_d_1(load: float) -> None:
    service = 10_000
    spec = Spec(
        Machine(cus=(1,), cu=Room(1, 0, 0, 1)),
        (Queue(),),
        (HostThread(0, (Packet(time=constant(service), need=ONE),)),),
        (Source(Arrival.OPEN, exponential(round(service / load))),),
        seed=1,
    )
    latency, error = mean_and_error(run(spec, 1_500_000_000))
    expected = service + load * service / (2 * (1 - load))
    assert error < 0.06 * expected
    assert latency == pytest.approx(expected, abs=error)


@pytest.mark.parametrize(("servers", "load"), [(1, 0.6), (2, 0.7), (4, 0.8), (10, 0.85)])
def test_m_m_c(servers: int, load: float) -> None:
    """``servers`` CUs for one workgroup each; enough host threads that none is ever waited for."""
    service = 20_000
    threads = tuple(HostThread(0, (Packet(time=exponential(service), need=ONE, barrier=False),)) for _ in range(120))
    spec = Spec(
        Machine(cus=(servers,), cu=Room(1, 0, 0, 1)),
        (Queue(),),
        threads,
        (Source(Arrival.OPEN, exponential(round(service / load / servers))),),
        seed=2,
    )
    latency, error = mean_and_error(run(spec, 1_500_000_000))
    offered = servers * load
    tail = offered**servers / math.factorial(servers) / (1 - load)
    waits = tail / (sum(offered**k / math.factorial(k) for k in range(servers)) + tail)
    expected = service + waits * service / (servers * (1 - load))
    assert error < 0.1 * expected
    assert latency == pytest.approx(expected, abs=error)


@pytest.mark.parametrize("ses", [1, 4])
def test_a_kernel_takes_its_workgroups_in_rounds(ses: int) -> None:
    """T workgroups on n CU slots take ceil(T / n) rounds, at every n."""
    for cus in range(ses, 61, ses):
        for workgroups in (1, cus - 1, cus, cus + 1, 333, 1024):
            if workgroups == 0:
                continue
            spec = Spec(
                Machine(cus=(cus // ses,) * ses, cu=Room(1, 0, 0, 1)),
                (Queue(),),
                (HostThread(0, (Packet(workgroups=workgroups, time=constant(1000), need=ONE),)),),
                (Source(limit=1),),
                costs=Costs(),
            )
            engine = Engine(spec)
            engine.run(10_000_000)
            assert engine.log[0]["done"] == -(-workgroups // cus) * 1000
            assert engine.log[0]["run"] == engine.log[0]["done"]


def test_a_masked_queue_speeds_up_by_steps_of_one_cu_in_every_shader_engine() -> None:
    """rocm-systems#9738: what counts is the poorest shader engine."""
    took = []
    for cus in range(4, 21):
        mask = tuple((1 << (cus // 4 + (se < cus % 4))) - 1 for se in range(4))
        spec = Spec(
            Machine(cus=(5,) * 4, cu=Room(1, 0, 0, 1)),
            (Queue(cu_mask=mask),),
            (HostThread(0, (Packet(workgroups=1200, time=constant(1000), need=ONE),)),),
            (Source(limit=1),),
        )
        engine = Engine(spec)
        engine.run(10_000_000)
        took.append(int(engine.log[0]["done"]))
    assert took == [-(-300 // (cus // 4)) * 1000 for cus in range(4, 21)]
