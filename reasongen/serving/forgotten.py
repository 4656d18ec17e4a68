"""Who must not be exported: the suppression list, as a set of keyed hashes in memory (some 150 bytes a user).

The same list as `reasongen.tables.suppression` reads, without Spark.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

from reasongen.config import ForgetSettings
from reasongen.schema import SUPPRESSIONS
from reasongen.secret import UserKey, key_of_list
from reasongen.serving.lake import dataset_of


@dataclass(frozen=True)
class Forgotten:
    """Hashes of users, and the key that made them; without a key nobody is forgotten."""

    hashes: frozenset[str] = frozenset()
    key: UserKey | None = field(default=None, repr=False)

    def mask(self, users: pa.Array) -> pa.BooleanArray:
        """For each row whether its user is forgotten. A user is hashed once for each batch."""
        if self.key is None or not self.hashes:
            return pa.array([False] * len(users), pa.bool_())
        gone = [user for user in pc.unique(users).to_pylist() if user and self.key.hash_of(user) in self.hashes]
        return pc.is_in(users, value_set=pa.array(gone, users.type))


def read_forgotten(root: str, settings: ForgetSettings) -> Forgotten:
    """Everybody on the list below `root`. Raises ConfigError where there are hashes and not the key that made them."""
    path = f"{root}/{SUPPRESSIONS.name}"
    if not DeltaTable.is_deltatable(path):
        return Forgotten()
    listed = dataset_of(DeltaTable(path), path).to_table(columns=["user_hash", "key_id"])
    if not listed.num_rows:
        return Forgotten()
    key = key_of_list(settings, pc.unique(listed["key_id"]).to_pylist(), path)
    return Forgotten(frozenset(listed["user_hash"].to_pylist()), key)
