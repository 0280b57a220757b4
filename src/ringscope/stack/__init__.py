"""The queue stack as software: from ``hipStream_t`` down to the bytes that the hardware reads.

One module a layer, and a layer knows only the one below it: ``hip``, ``rocr``, ``thunk``, :mod:`.kfd` (the kernel
driver), :mod:`.firmware` (the MEC). :mod:`.machine` says what is being modelled: parts, partitions, driver switches.

There is no clock here. An operation happens at once and says what it cost (:class:`.kfd.records.Step`), so that the
engine can charge time for it; a virtual GPU calls the same operations in real time. Use this room to ask what a
driver would do; use the engine to ask how long it would take.
"""
