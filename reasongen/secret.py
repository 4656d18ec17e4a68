"""Secrets by reference, `env:NAME` or `file:PATH`, and the one under which users are hashed.

No setting and no log holds a secret: only where it stands. Knows no table.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from reasongen.config import ForgetSettings
from reasongen.errors import ConfigError

MIN_KEY_BYTES = 16
_BLOCK = 64  # bytes of a block of SHA-256


def read_secret(place: str) -> bytes:
    """The secret at `env:NAME` or `file:PATH`, without a line's end; empty where there is none.

    Raises ConfigError, which does not repeat it, for any other word: it may be the secret itself.
    """
    kind, _, name = place.partition(":")
    if kind == "env" and name:
        return os.environ.get(name, "").encode()
    if kind == "file" and name:
        return Path(name).read_bytes().strip() if Path(name).is_file() else b""
    raise ConfigError("secret: wanted env:NAME or file:PATH; found another word. Say where it stands, not what it is.")


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
        return hmac.digest(self.secret, user.encode(), "sha256").hex()

    @property
    def pads(self) -> tuple[bytes, bytes]:
        """The inner and the outer block of RFC 2104: HMAC is a hash of the outer one and of a hash of the inner one."""
        short = hashlib.sha256(self.secret).digest() if len(self.secret) > _BLOCK else self.secret
        block = short.ljust(_BLOCK, b"\0")
        return bytes(byte ^ 0x36 for byte in block), bytes(byte ^ 0x5C for byte in block)


def load_key(settings: ForgetSettings) -> UserKey:
    """The key that `forget.key` points at. Raises ConfigError where there is none or it is too short."""
    secret = read_secret(settings.key)
    if len(secret) < MIN_KEY_BYTES:
        kind, place = settings.key.split(":", 1)
        where = f"the environment variable {place}" if kind == "env" else f"the file {place}"
        found = f"{len(secret)} bytes" if secret else "none"
        raise ConfigError(
            f"forget.key: wanted a secret of at least {MIN_KEY_BYTES} bytes in {where}; found {found}."
            " Without it nobody can be told from those who asked to be forgotten."
        )
    return UserKey(secret)


def key_if_any(settings: ForgetSettings) -> UserKey | None:
    """As `load_key`; None where no secret is set at all: nobody can be named then. Raises where it is too short."""
    return load_key(settings) if read_secret(settings.key) else None


def key_of_list(settings: ForgetSettings, made_by: Collection[str], path: str) -> UserKey:
    """The key of the suppression list at `path`. `made_by`: the key_ids that stand in it.

    Raises ConfigError where there is no key, or not the one that made the list: to go on would bring users back.
    """
    key = load_key(settings)
    if set(made_by) != {key.name}:
        raise ConfigError(
            f"forget.key: wanted the key that made {path}; found another one. Give that one: with any other, users who"
            " asked to be forgotten would come back."
        )
    return key
