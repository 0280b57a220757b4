from pathlib import Path

import pytest

from ringscope.errors import InputError
from ringscope.evidence.recorded import read
from ringscope.parts.ioctl import BY_NAME
from ringscope.recording import Clock, Event, Kind, Source
from ringscope.virtual.record import NAME, Recorder


class Someone:
    pid, name = 42, "app"


def test_what_is_recorded_is_read_back(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "run", {"gpu": "mi210"})
    recorder.opened(Someone())  # type: ignore[arg-type]
    row = BY_NAME["UPDATE_QUEUE"]
    recorder.ioctl(Someone(), row.number, row.args.pack(queue_id=3, queue_priority=15), 22, "why")  # type: ignore[arg-type]
    events = [Event(5, Kind.RUNLIST, {"dwords": 4}, Source("x"), Clock.MONOTONIC, None)]
    recorder.driver(events)
    assert events == []
    assert not (tmp_path / "run" / NAME).exists()
    recorder.close({"exit_code": 0})
    recording = read(tmp_path / "run" / NAME, NAME)
    assert [event.kind for event in recording.events] == [Kind.PROCESS_OPEN, Kind.IOCTL, Kind.RUNLIST]
    call = recording.events[1]
    assert (call.pid, call.clock) == (42, Clock.MONOTONIC)
    assert call.attrs["name"] == "UPDATE_QUEUE" and call.attrs["errno"] == 22 and call.attrs["why"] == "why"
    assert call.attrs["queue_id"] == 3 and call.attrs["queue_priority"] == 15
    assert recording.counters["ioctl:UPDATE_QUEUE"] == 1
    assert recording.facts == {"gpu": "mi210", "exit_code": 0}


def test_a_folder_in_use_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "something").touch()
    with pytest.raises(InputError, match="not empty"):
        Recorder(tmp_path, {})
