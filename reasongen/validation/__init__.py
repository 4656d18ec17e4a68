"""May one reason be shown? Pure: no Spark, no torch. (Whether a run may be published is quality, another package.)

verdict.py     all rules on one rendered text, all findings kept
case.py        what a rule sees, what a finding is, limits per locale
structure.py   the structural rules
withdrawn.py   what a person took down
"""

from reasongen.validation.case import Failure, LocaleLimits, limits_of
from reasongen.validation.verdict import POLICY_VERSION, Verdict, judge
from reasongen.validation.withdrawn import Withdrawn, plain

__all__ = ["POLICY_VERSION", "Failure", "LocaleLimits", "Verdict", "Withdrawn", "judge", "limits_of", "plain"]
