"""Sample ratio mismatch: are there as many users in each arm as the weights say? If not, something loses users, and no
difference between arms can be believed (Fabijan et al., "Diagnosing Sample Ratio Mismatch", KDD 2019)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from scipy.stats import chisquare


@dataclass(frozen=True)
class Balance:
    """Users found and wanted by arm, and p of the chi-square test. `p` None: no user, or one arm alone."""

    users: Mapping[str, int]
    wanted: Mapping[str, float]
    p: float | None

    def fits(self, least: float) -> bool:
        """Whether the counts may come from the weights."""
        return self.p is not None and self.p >= least


def balance(users: Mapping[str, int], shares: Mapping[str, float]) -> Balance:
    """Of users by arm against the share that each arm should have; an arm without users counts as 0.

    Pearson's chi-square with arms - 1 degrees of freedom, as scipy has it.
    """
    found = {arm: int(users.get(arm, 0)) for arm in shares}
    whole = sum(found.values())
    wanted = {arm: whole * share / sum(shares.values()) for arm, share in shares.items()}
    if whole == 0 or len(found) < 2:
        return Balance(found, wanted, None)
    return Balance(found, wanted, float(chisquare(list(found.values()), list(wanted.values())).pvalue))
