"""A sweep: one scenario file run at many points, each with other values at some of the file's own keys.

:mod:`.axes` reads what varies (``process.service.count=1..8``), :mod:`.points` lays out the points (the grid of all
axes, or a Latin hypercube) and runs one, :mod:`.shards` runs them on several cores, :mod:`.store` keeps what is done in
a folder that survives a kill at any instant, :mod:`.front` finds the points that no other beats.

A point's number decides it, so a sweep may be cut anywhere and run in any order by any number of workers: the rows are
the same. Every point keeps the file's seed (unless ``run.seed`` is an axis), so points differ by what was changed and
not by luck.
"""
