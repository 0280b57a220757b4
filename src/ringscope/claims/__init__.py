"""The ledger: what two research notes say of AMD compute queues, each statement checked when asked.

Mental model: a :class:`~.claim.Claim` is a statement and a check; the check runs in a :class:`~.lab.Lab`, which has
the stack to rehearse on, the engine to play it in time, real captures to read, and the notes' figures to calculate
with; it yields reasons for and against, and one rule makes the verdict of them. Nothing is stored: change a rule of
the stack and the verdicts that rest on it change.

Use it to see why something that is often repeated about queues holds or does not. Do not use it to judge a machine of
your own: :mod:`ringscope.verdicts` does that.
"""
