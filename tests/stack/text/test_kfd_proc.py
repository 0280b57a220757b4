from ringscope.recording import Source
from ringscope.snapshot import Process, Queue, QueueType, Snapshot
from ringscope.stack.text import kfd_proc

HERE = Source("test")


def test_three_attributes_a_queue_without_newlines() -> None:
    compute = Queue(0xF7BC, QueueType.COMPUTE, HERE, qid=0, ring_bytes=4096)
    sdma = Queue(0xF7BC, QueueType.SDMA_XGMI, HERE, qid=3, ring_bytes=1 << 20)
    unknown = Queue(0xF7BC, QueueType.COMPUTE, HERE)
    sizeless = Queue(0xF7BC, QueueType.COMPUTE, HERE, qid=5)
    snapshot = Snapshot("one", processes=(Process(42, (compute, sdma, unknown, sizeless), HERE),))
    assert kfd_proc(snapshot) == {
        "proc/42/pasid": "0\n",
        "proc/42/queues/0/gpuid": "63420",
        "proc/42/queues/0/size": "4096",
        "proc/42/queues/0/type": "0",
        "proc/42/queues/3/gpuid": "63420",
        "proc/42/queues/3/size": "1048576",
        "proc/42/queues/3/type": "4",
    }
