"""What the server that forks the workers of a sweep reads: all that they need, and the engine compiled."""

from ringscope.engine import native
from ringscope.scenario.sweep import shards

native.engine()
__all__ = ["shards"]
