"""ringscope shows, rehearses and proves what AMD GPU compute queues do, from ``hipStream_t`` to the hardware slot."""

__version__ = "0.1.0"
