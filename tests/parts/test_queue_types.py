from ringscope.parts.queue_types import IoctlQueueType, KfdQueueType


def test_queue_types_inside_and_outside_the_driver() -> None:
    assert [kind.value for kind in IoctlQueueType] == list(range(5))
    assert [kind.name for kind in IoctlQueueType if kind.is_sdma] == ["SDMA", "SDMA_XGMI", "SDMA_BY_ENG_ID"]
    names = ["COMPUTE", "SDMA", "HIQ", "DIQ", "SDMA_XGMI", "SDMA_BY_ENG_ID"]
    assert [(kind.name, kind.value) for kind in KfdQueueType] == [(name, at) for at, name in enumerate(names)]
