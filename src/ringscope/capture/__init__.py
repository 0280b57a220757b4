"""Capture: taking evidence on a live machine, once, at the moment it matters.

Mental model: :class:`~ringscope.capture.paths.Paths` says where the kernel shows what, below a root that tests replace.
:mod:`~ringscope.capture.checks` tries every source without reading it and says what would be missing and how to get it;
:mod:`~ringscope.capture.moment` reads one snapshot, twice around its middle so that what changed meanwhile is known;
:mod:`~ringscope.capture.session` takes the moments of a program's life; :mod:`~ringscope.capture.bundle` puts all of it
into one file with a manifest, which :mod:`ringscope.evidence.bundle` checks when it is opened.

Nothing here changes the machine, and nothing is guessed: what could not be read is listed with the reason. What a
reading disturbs is said in :data:`~ringscope.capture.moment.DISTURBS`.

Use it on the machine with the GPU. To read what was taken, anywhere, use :mod:`ringscope.evidence`.
"""
