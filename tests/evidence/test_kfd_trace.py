"""KFD-TRACE lines: key=value words of a patched driver."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringscope.evidence.kfd_trace import KfdTrace
from ringscope.recording import Kind


@pytest.mark.parametrize(
    ("pid", "qid"),
    [(3935030, 216), (3935031, 220), (3933841, 580), (4140772, 912), (4140773, 916), (4140774, 920), (4140775, 924)],
)
def test_map_lines_show_the_patched_queue_ids(pid: int, qid: int) -> None:
    line = f"[KFD-TRACE] KFD_MAP_QUEUES_CPSCH: pid={pid} queue_id={qid} pipe=0 queue=0 doorbell=0x1800 pasid=32784"
    traced = KfdTrace().read(line.encode())
    assert traced is not None
    assert (traced.kind, traced.pid) == (Kind.QUEUE_MAP, pid)
    assert traced.attrs == {"qid": qid, "pipe": 0, "queue": 0, "doorbell": 0x1800, "pasid": 32784}
    assert traced.attrs["qid"] == pid % 256 * 4


def test_map_line_without_its_tag() -> None:
    traced = KfdTrace().read(
        b"map_queues: KFD_MAP_QUEUES_CPSCH: pid=1 queue_id=4 pipe=0 queue=0 doorbell=0x1000 pasid=9"
    )
    assert traced is not None
    assert traced.name == "KFD_MAP_QUEUES_CPSCH"
    assert traced.attrs["qid"] == 4


def test_a_created_queue_carries_what_every_line_of_its_creation_said() -> None:
    trace = KfdTrace()
    lines = [
        "CREATE_QUEUE: pid=77 gpu_id=0xf7bc queue_type=0",
        "CREATE_QUEUE_BEFORE_PQM: pid=77 gpu_id=0xf7bc queue_type=0",
        "CREATE_QUEUE_CPSCH: pid=77 queue_id=308 doorbell_offset=0x1000 mqd_addr=0x17ba000 pasid=32784 enable_mes=0",
        "CREATE_QUEUE_CPSCH: pid=78 queue_id=308 doorbell_offset=0x1800 mqd_addr=0x99000 pasid=32785 enable_mes=0",
        "CREATE_QUEUE_SUCCESS: pid=77 queue_id=308 gpu_id=0xf7bc queue_type=0 doorbell_offset=0x0",
    ]
    traced = [trace.read(b"[KFD-TRACE] " + line.encode()) for line in lines]
    assert all(entry is not None and entry.known for entry in traced)
    assert [entry.kind for entry in traced if entry] == [None, None, None, None, Kind.QUEUE_CREATE]
    last = traced[-1]
    assert last is not None
    assert last.attrs == {
        "qid": 308,
        "gpu_id": 0xF7BC,
        "queue_type": 0,
        "doorbell": 0x1000,
        "mqd_addr": 0x17BA000,
        "pasid": 32784,
        "enable_mes": 0,
    }


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("CREATE_QUEUE: queue_id=216 doorbell_offset_in_process=0x1800", Kind.QUEUE_CREATE),
        ("UPDATE_QUEUE: pid=1 queue_id=4", Kind.QUEUE_UPDATE),
        ("DESTROY_QUEUE: pid=1 queue_id=4", Kind.QUEUE_DESTROY),
        ("ADD_QUEUE_MES: pid=1 queue_id=4 doorbell_offset=0x10", Kind.QUEUE_MAP),
        ("SOMETHING_NEW: pid=1", None),
    ],
)
def test_each_line_is_its_deed(line: str, kind: Kind | None) -> None:
    traced = KfdTrace().read(f"[KFD-TRACE] {line}".encode())
    assert traced is not None
    assert traced.kind is kind
    assert traced.known is (kind is not None)


def test_other_text_is_no_trace_line() -> None:
    assert KfdTrace().read(b"[KFD-TRACE] nothing here") is None
    assert KfdTrace().read(b"amdgpu: hello") is None


def test_creations_that_never_end_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ringscope.evidence.kfd_trace._OPEN", 2)
    trace = KfdTrace()
    for qid in range(5):
        trace.read(f"[KFD-TRACE] CREATE_QUEUE_CPSCH: pid=1 queue_id={qid} pasid=9".encode())
    done = trace.read(b"[KFD-TRACE] CREATE_QUEUE_SUCCESS: pid=1 queue_id=0")
    assert done is not None
    assert done.attrs == {"qid": 0}


@given(st.binary(max_size=200))
def test_any_words_are_read_without_failing(noise: bytes) -> None:
    traced = KfdTrace().read(b"[KFD-TRACE] UPDATE_QUEUE: pid=1 queue_id=4 " + noise)
    assert traced is not None
