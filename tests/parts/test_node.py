from ringscope.parts.node import KEYS, text


def test_keys_come_in_the_drivers_order_whatever_the_callers() -> None:
    found = text({"num_xcc": 4, "new_key": 7, "simd_count": 320, "cpu_cores_count": 0})
    assert found == "cpu_cores_count 0\nsimd_count 320\nnum_xcc 4\nnew_key 7\n"
    assert len(set(KEYS)) == len(KEYS) == 38
