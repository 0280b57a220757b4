from ringscope.recording import Source
from ringscope.snapshot import Device, Runlist, Snapshot
from ringscope.stack.text import rls

HERE = Source("test")


def test_a_runlist_is_dumped_and_its_absence_told() -> None:
    loaded = Device(2, 0xF7BC, HERE, runlist=Runlist((0xC013A100, *range(1, 10)), HERE))
    idle = Device(3, 0xF05B, HERE, runlist=Runlist((), HERE))
    assert rls(Snapshot("one", devices=(loaded, idle))) == (
        "Node 2, gpu_id f7bc:\n"
        "  00000000: c013a100 00000001 00000002 00000003 00000004 00000005 00000006 00000007\n"
        "  00000020: 00000008 00000009\n"
        "Node 3, gpu_id f05b:\n"
        "  No active runlist\n"
    )
