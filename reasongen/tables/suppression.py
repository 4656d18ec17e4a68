"""Who must not come back: users as keyed hashes in a Delta table that holds no id.

Without the key nobody can try ids against the list, and the list alone names nobody. Knows neither what is erased nor
when.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from dataclasses import dataclass, field
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from reasongen.config import ForgetSettings
from reasongen.errors import ConfigError
from reasongen.tables.delta import read_version

LIST = "suppressions"
"""The table's folder below the root."""
MIN_KEY_BYTES = 16
_BLOCK = 64  # bytes of a block of SHA-256


@dataclass(frozen=True)
class UserKey:
    """The secret under which users are hashed. Losing it means that nobody can be added to the list any more."""

    secret: bytes = field(repr=False)

    @property
    def name(self) -> str:
        """Tells this key from another one without telling it."""
        return self.hash_of("")[:16]

    def hash_of(self, user: str) -> str:
        """HMAC-SHA-256 (RFC 2104) of the id in UTF-8, hex."""
        return hmac.new(self.secret, user.encode(), hashlib.sha256).hexdigest()

    @property
    def pads(self) -> tuple[bytes, bytes]:
        """The inner and the outer block of RFC 2104: HMAC is a hash of the outer one and of a hash of the inner one."""
        short = hashlib.sha256(self.secret).digest() if len(self.secret) > _BLOCK else self.secret
        block = short.ljust(_BLOCK, b"\0")
        return bytes(byte ^ 0x36 for byte in block), bytes(byte ^ 0x5C for byte in block)


@dataclass(frozen=True)
class Suppressed:
    """Some of the list: `hashes` (user_hash, unique), the key that made them, and the list's version."""

    hashes: DataFrame
    key: UserKey
    version: int = -1


def load_key(settings: ForgetSettings) -> UserKey:
    """The key that `forget.key` points at. Raises ConfigError where there is none or it is too short."""
    kind, place = settings.key.split(":", 1)
    if kind == "env":
        secret = os.environ.get(place, "").encode()
    else:
        secret = Path(place).read_bytes().strip() if Path(place).is_file() else b""
    if len(secret) < MIN_KEY_BYTES:
        where = f"the environment variable {place}" if kind == "env" else f"the file {place}"
        found = f"{len(secret)} bytes" if secret else "none"
        raise ConfigError(
            f"forget.key: wanted a secret of at least {MIN_KEY_BYTES} bytes in {where}; found {found}."
            " Without it nobody can be told from those who asked to be forgotten."
        )
    return UserKey(secret)


def read_suppressed(spark: SparkSession, root: str, settings: ForgetSettings) -> Suppressed | None:
    """Everybody on the list, at its newest version; None where nobody is.

    Raises ConfigError where there are hashes and no key, or not the key that made them: to go on would bring them back.
    """
    path = f"{root}/{LIST}"
    if (version := read_version(path)) is None:
        return None
    listed = spark.read.format("delta").option("versionAsOf", version).load(path)
    keys = {row["key_id"] for row in listed.select("key_id").distinct().collect()}
    if not keys:
        return None
    key = load_key(settings)
    if keys != {key.name}:
        raise ConfigError(
            f"forget.key: wanted the key that made {path}; found another one. Give that one: with any other, users who"
            " asked to be forgotten would come back."
        )
    return Suppressed(listed.select("user_hash"), key, version)


def with_user_hash(frame: DataFrame, key: UserKey) -> DataFrame:
    """Adds `user_hash`, what `UserKey.hash_of` makes of `user_id`; null for null. In column expressions alone.

    The key travels as a row that is joined, never as a literal: plans stand in the UI and in the event log.
    """
    pads = frame.sparkSession.createDataFrame([key.pads], "inner_pad binary, outer_pad binary")
    inner = F.unhex(F.sha2(F.concat("inner_pad", F.col("user_id").cast("binary")), 256))
    joined = frame.join(F.broadcast(pads), how="cross")
    return joined.select(*frame.columns, F.sha2(F.concat("outer_pad", inner), 256).alias("user_hash"))


def with_suppressed(frame: DataFrame, listed: Suppressed | None) -> DataFrame:
    """Adds `suppressed` (never null): whether the row's `user_id` is on the list. Without a list nothing is hashed."""
    if listed is None:
        return frame.withColumn("suppressed", F.lit(False))
    known = listed.hashes.select("user_hash", F.lit(True).alias("known"))
    joined = with_user_hash(frame, listed.key).join(known, "user_hash", how="left")
    return joined.select(*frame.columns, F.coalesce("known", F.lit(False)).alias("suppressed"))
