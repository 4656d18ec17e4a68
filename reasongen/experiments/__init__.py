"""What the feedback says: who saw which arm, what followed, and whether the difference can be believed.

    settings.py    arms, tables, metrics, bots, policies, what the plan assumes
    assigning.py   salted keyed hash of a user → arm and propensity; the recommender's team calls it
    reading.py     exposures, feedback, earlier counts: four formats, checked as wholes, all faults at once
    rows.py        rows that can be used, each other with a code
    joining.py     feedback to the exposure it follows; bots, late and doubled events as codes
    counting.py    what each user saw and did, by metric, day by day
    moments.py     means and covariances over users; ratio metrics by the delta method, CUPED
    effects.py     differences and lifts with fixed and always-valid intervals, Holm
    sequence.py    the always-valid interval
    balance.py     sample ratio mismatch
    planning.py    users needed, smallest lift that would be seen
    off_policy.py  IPS, self-normalised IPS, doubly robust; refuses where overlap fails
    study.py       all of it, as figures; telling.py as lines
    sample.py      a small simulated experiment, to see a page at once

Pandas, numpy and scipy over Arrow tables: no Spark, no torch. Intervals are of users: what one user does again is no
new evidence.
"""

from reasongen.experiments.assigning import Assignment, with_arms
from reasongen.experiments.settings import ExperimentSettings

__all__ = ["Assignment", "ExperimentSettings", "with_arms"]
