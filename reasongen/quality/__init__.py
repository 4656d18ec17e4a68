"""Whether a run may be published. Knows Spark and Great Expectations, no torch; judges tables, not single reasons.

suites     what is expected, as data below conf/quality
measuring  the numbers of tonight, in one pass, and of the nights before
gate       the verdict
"""

from reasongen.quality.gate import Check, GateResult, check_staged
from reasongen.quality.measuring import Measured, check_suites, past_nights
from reasongen.quality.suites import Suite, Suites, load_suites

__all__ = [
    "Check",
    "GateResult",
    "Measured",
    "Suite",
    "Suites",
    "check_staged",
    "check_suites",
    "load_suites",
    "past_nights",
]
