import errno

import pytest

from ringscope.errors import InputError
from ringscope.virtual.injection import KINDS, Fault, Faults, parse


@pytest.mark.parametrize(
    ("spec", "fault"),
    [
        ("create@create:3=ENOSPC", Fault("create", "create", 3, errno.ENOSPC)),
        ("create@create:1", Fault("create", "create", 1, errno.ENOMEM)),
        ("doorbells=4", Fault("doorbells", "", 0, 4)),
        ("sdma=0", Fault("sdma", "", 0, 0)),
        ("memory=2G", Fault("memory", "", 0, 2 << 30)),
        ("evict@packet:100=50ms", Fault("evict", "packet", 100, 50_000_000)),
        ("hang@packet:7", Fault("hang", "packet", 7, 10_000_000)),
        ("reset@packet:1", Fault("reset", "packet", 1, 0)),
        ("fence=3us", Fault("fence", "", 0, 3_000)),
        ("kill@create:2", Fault("kill", "create", 2, 0)),
    ],
)
def test_a_fault_is_read(spec: str, fault: Fault) -> None:
    assert parse(spec) == fault
    assert fault.kind in KINDS


@pytest.mark.parametrize(
    "spec",
    ["", "meteor", "create", "create@packet:1", "create@create:0", "create@create:1=EWHAT", "sdma", "sdma=1G",
     "memory=x", "evict@packet:1=5", "fence@create:1=1ms", "kill@create:1=2", "doorbells@create:1=2"],
)  # fmt: skip
def test_nonsense_is_refused_in_one_line(spec: str) -> None:
    with pytest.raises(InputError) as error:
        parse(spec)
    assert str(error.value).startswith(f"--fault {spec}: ") and "\n" not in str(error.value)


def test_a_point_is_counted_and_hit_once() -> None:
    faults = Faults(["create@create:2=ENOMEM", "evict@packet:1", "memory=1M"])
    assert faults.counts_packets
    assert [len(faults.pass_point("create")) for _ in range(4)] == [0, 1, 0, 0]
    assert [fault.kind for fault in faults.pass_point("packet")] == ["evict"]
    assert (faults.limit("memory"), faults.limit("sdma")) == (1 << 20, None)
    assert dict(faults.fired) == {"create": 1, "evict": 1}
