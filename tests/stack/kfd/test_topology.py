from pathlib import Path

from ringscope.parts.node import KEYS
from ringscope.stack.kfd.topology import properties
from ringscope.stack.machine import MachineSpec


def test_an_mi308x_describes_itself_as_the_real_one_does(shared: Path) -> None:
    found = properties(MachineSpec.of("mi308x", 8, cpu_nodes=2).nodes[0])
    assert list(found) == list(KEYS)
    for key, value in {
        "simd_count": 320,
        "max_waves_per_simd": 8,
        "lds_size_in_kb": 64,
        "num_gws": 64,
        "wave_front_size": 64,
        "array_count": 16,
        "simd_arrays_per_engine": 1,
        "cu_per_simd_array": 10,
        "simd_per_cu": 4,
        "gfx_target_version": 90402,
        "device_id": 0x74A2,
        "num_sdma_engines": 2,
        "num_sdma_xgmi_engines": 6,
        "num_sdma_queues_per_engine": 8,
        "num_cp_queues": 24,
        "num_xcc": 4,
    }.items():
        assert found[key] == value, key
    real = (shared / "mi308x" / "rocminfo.txt").read_text()
    assert "Compute Unit:            80" in real
