import pytest

from ringscope.errors import InputError
from ringscope.parts.catalogue import devices
from ringscope.stack.machine import MachineSpec
from ringscope.virtual import drm, topology
from ringscope.virtual.model import model_of

USABLE = [device.key for device in devices() if device.doorbell_bytes == 8]


@pytest.mark.parametrize("key", USABLE)
def test_every_device_with_64_bit_doorbells_has_a_model(key: str) -> None:
    model, node = model_of(key), MachineSpec.of(key).nodes[0]
    files = topology.files(model, node)
    properties = dict(line.split() for line in files[f"{topology.NODES}/1/properties"].splitlines())
    simds, per_cu = int(properties["simd_count"]), int(properties["simd_per_cu"])
    assert simds == model.part.cus * per_cu
    assert int(properties["array_count"]) * int(properties["cu_per_simd_array"]) >= model.part.cus
    assert int(properties["num_xcc"]) == model.part.xccs
    assert len([path for path in files if "/nodes/1/caches/" in path]) == int(properties["caches_count"])
    info = drm.device_info(model, 448)
    assert len(info) == 448
    assert int.from_bytes(info[16:20], "little") == model.family


@pytest.mark.parametrize("key", [device.key for device in devices() if device.doorbell_bytes != 8])
def test_others_are_refused(key: str) -> None:
    with pytest.raises(InputError, match="32-bit doorbells"):
        model_of(key)
