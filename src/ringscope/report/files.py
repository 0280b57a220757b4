"""Files and folders that are either whole or not there: written aside, then renamed into place."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from ringscope.errors import InputError


def write_aside(target: Path, content: bytes) -> None:
    """Write ``content`` to ``target`` so that no reader ever sees half of it; InputError when it cannot be written.

    What is no file, a device or a pipe, is written to as it stands: as root a rename would put a file in its place.
    """
    if target.exists() and not target.is_file():
        try:
            target.write_bytes(content)
        except OSError as error:
            raise InputError(f"cannot be written ({error.strerror})", str(target)) from error
        return
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


def write_folder_aside(target: Path, files: Mapping[str, bytes]) -> None:
    """Make the folder ``target`` with ``files`` by relative path; InputError when it exists or cannot be written."""
    if target.exists():
        raise InputError("exists already", str(target), "name a new folder")
    try:
        aside = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    except OSError as error:
        raise InputError(f"cannot be made ({error.strerror})", str(target), "name a writable folder") from error
    try:
        for path, content in files.items():
            file = aside / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        aside.rename(target)
    except OSError as error:
        shutil.rmtree(aside, ignore_errors=True)
        raise InputError(f"cannot be written ({error.strerror})", str(target)) from error
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
