"""A scenario that its user varies: TOML text, small enough for an address, and the few things one turns at.

Mental model: the text is the whole state. A control is a field with a value; :meth:`Variation.changed` writes fields
into the text, and the schema says whether what came out is a scenario. So whatever a control can do, the file can say.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Mapping
from typing import Any

from ringscope.errors import InputError
from ringscope.parts import catalogue
from ringscope.records import dataclass
from ringscope.scenario import toml
from ringscope.stack.hip import StreamPriority

MAX_BYTES = 64 << 10
"""Most bytes of a text that an address brings."""

FILE = "scenario"
"""What messages call the text."""

LEVELS = tuple(priority.name.lower() for priority in sorted(StreamPriority))
"""Stream priorities, the highest first, as HIP counts them."""

ROCM = ("5.2", "5.7", "6.0", "6.1", "6.2", "6.3", "6.4", "7.0")
"""Releases to choose among; the rules of stack.rocm change between them."""

KERNEL = {"name": "work", "workgroups": 256, "duration": "100 us"}
"""What streams do that nothing is known of."""


@dataclass(frozen=True)
class Control:
    """One thing to turn at: the field's name, what it is called, its value, and its choices (none: a whole number)."""

    field: str
    label: str
    value: str
    choices: tuple[tuple[str, str], ...] = ()
    least: int = 0
    most: int = 0


@dataclass(frozen=True)
class Variation:
    """A scenario's text."""

    text: str

    @classmethod
    def unpacked(cls, packed: str) -> Variation:
        """From what :attr:`packed` gave; InputError for anything else."""
        try:
            data = base64.b64decode(packed + "=" * (-len(packed) % 4), altchars=b"-_", validate=True)
            stream = zlib.decompressobj()
            text = stream.decompress(data, MAX_BYTES)
            if not stream.eof:
                raise ValueError(packed)
            return cls(text.decode())
        except (ValueError, binascii.Error, zlib.error, UnicodeDecodeError):
            raise InputError("the address holds no scenario", todo="copy it whole, or begin anew without it") from None

    @property
    def packed(self) -> str:
        """The text for an address."""
        return base64.urlsafe_b64encode(zlib.compress(self.text.encode(), 9)).decode().rstrip("=")

    def changed(self, fields: Mapping[str, str]) -> Variation:
        """The scenario with some controls at other values; InputError for a field that there is not."""
        values = toml.values_of(self.text, FILE)
        controls = {control.field: control for control in controls_of(values)}
        wanted = {name: value.strip() for name, value in fields.items()}
        if unknown := set(wanted) - set(controls):
            raise InputError(f"there is no control {sorted(unknown)[0]!r}")
        turned = {name: value for name, value in wanted.items() if value != controls[name].value}
        if not turned:
            return self
        device = values.setdefault("device", {})
        for name, value in turned.items():
            if name in ("gpu", "partition", "scheduler", "rocm"):
                device[name] = value
        if "gpu" in turned:
            _fit(device)
        if device.get("scheduler") == "":
            del device["scheduler"]
        for number, process in enumerate(values.get("process", ())):
            mine = {key: wanted.get(f"p{number}.{key}") for key in ("count", "hw_queues", *LEVELS)}
            for key in ("count", "hw_queues"):
                if f"p{number}.{key}" in turned:
                    process[key] = _whole(mine[key] or "")
            if any(f"p{number}.{level}" in turned for level in LEVELS):
                counts = [_whole(mine[level] or controls[f"p{number}.{level}"].value) for level in LEVELS]
                process["streams"] = [level for level, count in zip(LEVELS, counts, strict=True) for _ in range(count)]
        return Variation(toml.text_of(values))


def _fit(device: dict[str, Any]) -> None:
    """Keep of the device's settings what another part has too."""
    part = catalogue.find(device["gpu"])
    if device.get("partition", "spx").upper() not in {mode.name for mode in part.partitions}:
        device["partition"] = part.partitions[0].name.lower()
    if device.get("scheduler") not in {value for value, _ in _schedulers(part)}:
        device.pop("scheduler", None)


def _whole(text: str) -> int:
    if not text.isdecimal() or len(text) > 6:
        raise InputError(f"{text!r} is no whole number")
    return int(text)


def _schedulers(part: catalogue.Device) -> tuple[tuple[str, str], ...]:
    own = part.scheduler.value
    other = (("nocpsch", "nocpsch: no over-subscription"),) if own == "cpsch" else ()
    return (("", f"{own}, the part's own"), *other)


def controls_of(values: Mapping[str, Any]) -> tuple[Control, ...]:
    """Everything that can be turned at in a scenario's values, as they stand."""
    device = values.get("device", {})
    part = catalogue.find(str(device.get("gpu", "mi308x")))
    release = str(device.get("rocm", "7.0"))
    releases = ROCM if release in ROCM else (*ROCM, release)
    found = [
        Control("gpu", "GPU", part.key, tuple((one.key, one.name) for one in reversed(catalogue.devices()))),
        Control(
            "partition",
            "Partition",
            str(device.get("partition", "spx")),
            tuple((mode.name.lower(), mode.name) for mode in part.partitions),
        ),
        Control("scheduler", "Scheduler", str(device.get("scheduler", "")), _schedulers(part)),
        Control("rocm", "ROCm", release, tuple((one, one) for one in releases)),
    ]
    for number, process in enumerate(values.get("process", ())):
        found.append(Control(f"p{number}.count", "processes", str(process.get("count", 1)), (), 1, 512))
        streams = process.get("streams", 1)
        counts = {"normal": streams} if isinstance(streams, int) else {level: streams.count(level) for level in LEVELS}
        found += [
            Control(f"p{number}.{level}", f"{level} streams", str(counts.get(level, 0)), (), 0, 512) for level in LEVELS
        ]
        found.append(Control(f"p{number}.hw_queues", "GPU_MAX_HW_QUEUES", str(process.get("hw_queues", 4)), (), 1, 64))
    return tuple(found)
