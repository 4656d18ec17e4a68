"""How reasons stand in a Redis, and how a recommender reads them there.

    reasons:state                              hash: version, table, generation (what stands); loader (who writes now);
                                               applying, building, retired (what a load that died has left half done)
    reasons:{generation}:{scenario}:{user_id}  hash: item_id → JSON {reason, source, locale, valid_until, run_id,
                                               ai_label}; expires when the last of its reasons does

Wants Redis 7.0 or later, not a cluster, and `maxmemory-policy noeviction`: what is evicted comes back with no set.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any

from redis import AuthenticationError, Redis, RedisError

from reasongen.errors import ConfigError, MachineError
from reasongen.secret import read_secret

STATE = "reasons:state"
VALUE = ("reason", "source", "locale", "valid_until", "run_id", "ai_label")
"""What a store holds of a row of schema.UPSERTS; with the key, `run_id` finds the rest in `reasons`."""
_SECONDS = 60
"""That an answer may take."""


def key_of(generation: str, scenario: str, user_id: str) -> str:
    """Where a user's reasons stand."""
    return f"reasons:{generation}:{scenario}:{user_id}"


def value_of(row: Mapping[str, Any]) -> str:
    """Compact JSON of a row of schema.UPSERTS."""
    told = {name: row[name] for name in VALUE}
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"), default=date.isoformat)


def read_reasons(
    client: Redis, scenario: str, user_id: str, items: Sequence[str], *, today: date
) -> dict[str, dict[str, Any]]:
    """What a recommender shows: item_id → value, without reasons that have expired. One look, a second one only where
    a full set took the place of everything between its two commands."""
    while True:
        generation = client.hget(STATE, "generation")
        found = client.hmget(key_of(str(generation), scenario, user_id), list(items))
        if any(found) or generation == client.hget(STATE, "generation"):
            break
    told = {item: json.loads(value) for item, value in zip(items, found, strict=True) if value}
    return {item: value for item, value in told.items() if (value["valid_until"] or "") >= today.isoformat()}


@contextmanager
def connect(place: str, password: str) -> Iterator[Redis]:
    """A client of the Redis at HOST:PORT or at a URL without a password, which stands at `password` (env:NAME or
    file:PATH; empty: none).

    Raises ConfigError where it stands in `place`, or is wrong; what Redis says within becomes MachineError, without the
    command: that holds a user's values.
    """
    if "@" in place or "?" in place:
        raise ConfigError("--redis: wanted HOST:PORT without a password; found an @ or ?. Say --password env:NAME.")
    url = place if "://" in place else f"redis://{place}"
    secret = read_secret(password).decode()
    try:
        client = Redis.from_url(url, password=secret or None, decode_responses=True, socket_timeout=_SECONDS)
    except ValueError as error:
        raise ConfigError(f"--redis: wanted HOST:PORT or a URL; found {place!r} ({error}).") from None
    try:
        client.ping()
        yield client
    except RedisError as error:
        said = f"{type(error).__name__}: {error}".rsplit("caused error: ", 1)[-1]
        if isinstance(error, AuthenticationError):
            raise ConfigError(f"redis: wanted the password at {password}; found another one, or none.") from None
        raise MachineError(f"redis: wanted {place} to take its commands; found {said}.") from None
    finally:
        client.close()
