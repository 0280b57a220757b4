"""Evidence: readers of a real machine's files, which know each file by its content.

Mental model: :mod:`~ringscope.evidence.files` walks what the user gave (files, folders, tarballs) and opens each file
once; :mod:`~ringscope.evidence.sniff` says what it is from its first bytes; one reader a module turns it into typed
records; :mod:`~ringscope.evidence.collect` files those together as Snapshots (the dumps and sysfs trees of one moment,
in time order) and Recordings (logs and traces). A device's MQD generation is told by all files together, so that the
records of a moment wait in a :mod:`~ringscope.evidence.draft` until every file was read.

Nothing is judged and nothing is guessed: what a file does not say stays None, what could not be read is listed with
the reason, and a file that was cut is an error, because half a capture misleads.

Use it when the question is about a machine that ran. To see what a machine would do, use the stack or a scenario.
"""
