"""May one reason be shown? Pure: no Spark, no torch. (Whether a run may be published is quality, another package.)

verdict.py     all rules on one rendered text, all findings kept
case.py        what a rule sees, what a finding is, limits per locale
structure.py   the structural rules
"""

from reasongen.validation.case import Failure, LocaleLimits, limits_of
from reasongen.validation.verdict import POLICY_VERSION, Verdict, judge

__all__ = ["POLICY_VERSION", "Failure", "LocaleLimits", "Verdict", "judge", "limits_of"]
