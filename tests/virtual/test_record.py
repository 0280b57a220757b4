from pathlib import Path

import pytest

from ringscope.errors import InputError
from ringscope.parts.ioctl import BY_NAME
from ringscope.recording import Clock, Event, Kind, Source
from ringscope.virtual.record import NAME, Recorder, load


class Someone:
    pid, name = 42, "app"


def test_what_is_recorded_is_loaded(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "run", {"gpu": "mi210"})
    recorder.opened(Someone())  # type: ignore[arg-type]
    row = BY_NAME["UPDATE_QUEUE"]
    recorder.ioctl(Someone(), row.number, row.args.pack(queue_id=3, queue_priority=15), 22, "why")  # type: ignore[arg-type]
    events = [Event(5, Kind.RUNLIST, {"dwords": 4}, Source("x"), Clock.MONOTONIC, None)]
    recorder.driver(events)
    assert events == []
    assert not (tmp_path / "run" / NAME).exists()
    recorder.close({"exit_code": 0})
    recording = load(tmp_path / "run")
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


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "no json",
        '{"schema":"other/1"}\n{}',
        '{"schema":"ringscope.recording/1","origin":"v","clock":"monotonic"}\n[1,"runlist",',
    ],
)
def test_a_broken_recording_is_an_input_error(text: str, tmp_path: Path) -> None:
    (tmp_path / NAME).write_text(text)
    with pytest.raises(InputError):
        load(tmp_path)
    with pytest.raises(InputError):
        load(tmp_path / "absent")
