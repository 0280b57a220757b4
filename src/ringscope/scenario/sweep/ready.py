"""What the server that forks the workers of a sweep reads: all that they need, and the engine compiled."""

from ringscope.engine.run import Engine
from ringscope.engine.spec import Machine, Queue, Spec
from ringscope.scenario.sweep import shards

Engine(Spec(Machine(), (Queue(),)))
__all__ = ["shards"]
