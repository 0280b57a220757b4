from ringscope.recording import Source
from ringscope.snapshot import Device
from ringscope.stack.text import topology

HERE = Source("test")


def test_a_node_without_number_has_no_files() -> None:
    known = Device(2, 0xF7BC, HERE, properties={"simd_count": 320})
    assert topology([known, Device(None, 1, HERE)]) == {
        "topology/nodes/2/gpu_id": "63420\n",
        "topology/nodes/2/properties": "simd_count 320\n",
    }
