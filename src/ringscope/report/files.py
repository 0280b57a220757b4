"""Files that are either whole or not there: written aside, then renamed into place."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from ringscope.errors import InputError


def write_aside(target: Path, content: bytes) -> None:
    """Write ``content`` to ``target`` so that no reader ever sees half of it; InputError when it cannot be written."""
    try:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    except OSError as error:
        raise InputError(f"cannot be written ({error.strerror})", str(target), "name a writable folder") from error
    aside = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        aside.replace(target)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise InputError(f"cannot be written ({error.strerror})", str(target)) from error
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
