"""Which arm a user is in: a pure function of user, salt and secret. Asks no table and remembers nothing.

A point in [0, 1) is the first 64 bits of HMAC-SHA-256 (RFC 2104) of salt and user under the secret. Without the secret
nobody can choose an account by its arm. Two salts give independent points, so experiments do not lean on each other;
the holdout has a salt of its own that stays, so the same users are kept out of one experiment after the other.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from reasongen.errors import ConfigError
from reasongen.experiments.settings import HOLDOUT, ExperimentSettings
from reasongen.secret import MIN_KEY_BYTES, read_secret

_BITS = 64


@dataclass(frozen=True)
class Assignment:
    """The arms of one experiment. `shares`: of all users, the holdout's among them; they sum to 1."""

    salt: str
    holdout_salt: str
    shares: Mapping[str, float]
    secret: bytes = field(repr=False)

    @staticmethod
    def of(settings: ExperimentSettings) -> Assignment:
        """Raises ConfigError where `key` points at no secret of at least 16 bytes; it does not repeat it."""
        secret = read_secret(settings.key)
        if len(secret) < MIN_KEY_BYTES:
            raise ConfigError(
                f"key: wanted a secret of at least {MIN_KEY_BYTES} bytes at {settings.key};"
                f" found {len(secret)} bytes. Without it anybody could work out who is in which arm."
            )
        return Assignment(settings.salt, settings.holdout_salt, settings.shares, secret)

    def arm_of(self, user: str) -> tuple[str, float]:
        """The user's arm, and the probability with which a user gets it (its propensity)."""
        kept_out = self.shares.get(HOLDOUT, 0.0)
        if kept_out and self._point(self.holdout_salt, user) < kept_out:
            return HOLDOUT, kept_out
        arms = [(arm, share) for arm, share in self.shares.items() if arm != HOLDOUT]
        left = self._point(self.salt, user) * sum(share for _, share in arms)
        for arm, share in arms:
            if left < share:
                return arm, share
            left -= share
        return arms[-1]

    def _point(self, salt: str, user: str) -> float:
        """In [0, 1). The salt's length goes first: no salt and user run into another pair."""
        told = f"{len(salt)}:{salt}{user}".encode()
        whole = int.from_bytes(hmac.digest(self.secret, told, "sha256")[: _BITS // 8], "big")
        return (whole >> 11) / 2.0 ** (_BITS - 11)  # 53 bits: the most that a float holds, so never 1.0


def with_arms(exposures: pa.Table, assignment: Assignment) -> pa.Table:
    """The table with `arm` (string) and `propensity` (double) of each row's `user_id`; replaces columns of these names.

    A row without a user gets null in both. Raises ConfigError where there is no column `user_id`.
    """
    if "user_id" not in exposures.column_names:
        raise ConfigError(f"exposures: wanted a column `user_id`; found {', '.join(exposures.column_names) or 'none'}.")
    users = exposures["user_id"].cast(pa.string()).to_pylist()
    known = {user: assignment.arm_of(user) for user in set(users) if user is not None}
    kept = exposures.drop_columns([name for name in ("arm", "propensity") if name in exposures.column_names])
    arms = [known[user][0] if user is not None else None for user in users]
    chances = [known[user][1] if user is not None else None for user in users]
    made = kept.append_column("arm", pa.array(arms, pa.string()))
    return made.append_column("propensity", pa.array(chances, pa.float64()))
