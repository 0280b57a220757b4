"""An experiment: a scenario file, the queues it makes on the modelled stack, and running it through the engine.

:mod:`.schema` says what a scenario is and reads it from TOML; :mod:`.build` plays its processes on the stack and hands
queues, slots and scheduler to the engine; :mod:`.outcome` runs it, several times where asked, and adds up.
Nothing here knows how a queue gets its slot or how long anything takes: the stack and the engine do.
"""
