"""Fixtures that every test may use."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# A shared machine is slow at times: no test asserts how long something takes. The gate tries the same examples every
# time, so that its verdict is about the change; new ones are looked for wherever else the tests run.
settings.register_profile("ringscope", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("ringscope")

SHARED = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real captures beside the project; absent, the test says so (and fails in CI)."""
    if not SHARED.is_dir():
        if os.environ.get("CI"):
            pytest.fail("the real captures are absent: ../shared/data must lie beside the project in CI")
        pytest.skip("the real captures are absent: put them in ../shared/data beside the project")
    return SHARED
