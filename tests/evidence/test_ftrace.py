"""ftrace's own lines: functions, tracepoints, losses."""

import pytest

from ringscope.evidence import ftrace
from ringscope.recording import Kind


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (b"  a-1 [001] ..... 1.000000: pm_send_runlist [amdgpu] <-map_queues_cpsch", b"pm_send_runlist"),
        (b"  a-1 [001] ..... 1.000000: pm_send_runlist <-map_queues_cpsch", b"pm_send_runlist"),
        (b"  a-1 [001] ..... 1.000000: kfd_map_memory_to_gpu_start: Process pid =7", None),
    ],
)
def test_function(line: bytes, name: bytes | None) -> None:
    found = ftrace.FUNCTION.search(line)
    assert (found[1] if found else None) == name


def test_graph_function() -> None:
    assert ftrace.GRAPH_FUNCTION.findall(b" 2)   1.692 us    |          pqm_create_queue [amdgpu]();\n 2)  |  }\n") == [
        b"pqm_create_queue"
    ]


@pytest.mark.parametrize("text", [b"Process pid =77", b"Process pid = 77, array_size =\t1", b"Process pid=77"])
def test_process_of_a_tracepoint(text: bytes) -> None:
    found = ftrace.PROCESS.search(text)
    assert found is not None
    assert int(found[1]) == 77


def test_losses() -> None:
    assert ftrace.LOST.findall(b"CPU:2 [LOST 5 EVENTS]\n CPU:11 [LOST 7 EVENTS]\n") == [b"5", b"7"]
    assert ftrace.ENTRIES.findall(b"# entries-in-buffer/entries-written: 813/26317372   #P:8") == [
        (b"813", b"26317372")
    ]


def test_a_function_that_sends_a_runlist_is_a_runlist() -> None:
    assert ftrace.FUNCTION_KINDS[b"pm_send_runlist"] is Kind.RUNLIST
    assert not set(ftrace.FUNCTION_KINDS) & set(ftrace.TRACEPOINT_KINDS)
