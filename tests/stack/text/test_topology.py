from ringscope.parts.node import KEYS
from ringscope.recording import Source
from ringscope.snapshot import Device
from ringscope.stack.text import topology
from ringscope.stack.text.topology import properties

HERE = Source("test")


def test_keys_come_in_the_drivers_order_whatever_the_callers() -> None:
    text = properties({"num_xcc": 4, "new_key": 7, "simd_count": 320, "cpu_cores_count": 0})
    assert text == "cpu_cores_count 0\nsimd_count 320\nnum_xcc 4\nnew_key 7\n"
    assert len(set(KEYS)) == len(KEYS) == 38


def test_a_node_without_number_has_no_files() -> None:
    known = Device(2, 0xF7BC, HERE, properties={"simd_count": 320})
    assert topology([known, Device(None, 1, HERE)]) == {
        "topology/nodes/2/gpu_id": "63420\n",
        "topology/nodes/2/properties": "simd_count 320\n",
    }
