"""Whether a run may be published. Knows Spark and Great Expectations, no torch; judges tables, not single reasons."""

from reasongen.quality.gate import GateResult, check_staged

__all__ = ["GateResult", "check_staged"]
