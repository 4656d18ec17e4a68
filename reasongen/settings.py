"""Settings as a YAML file gives them: overlays, overrides, and every fault in words. Knows no setting by name."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import BaseModel, ConfigDict, ValidationError
from yaml import YAMLError

from reasongen.errors import ConfigError


class Settings(BaseModel):
    """Base of all settings: frozen, no unknown keys, file paths as text."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


S = TypeVar("S", bound=Settings)


def load_settings(kind: type[S], path: str | Path, sets: Sequence[str] = ()) -> S:
    """Settings of `kind` from a YAML file, its `extends` chain and `key=value` overrides.

    Raises ConfigError that lists every fault: a missing file, YAML that does not parse, unknown keys (with the nearest
    known one), values out of range.
    """
    plain = read_plain(path, sets)
    try:
        return kind.model_validate(plain)
    except ValidationError as error:
        raise ConfigError(_explain(kind, str(path), error)) from error


def read_plain(path: str | Path, sets: Sequence[str] = ()) -> dict[str, Any]:
    """What the file, its `extends` chain and the overrides say, unchecked. Raises ConfigError where it is no YAML."""
    try:
        merged = OmegaConf.merge(_layers(Path(path)), OmegaConf.from_dotlist(list(sets)))
        plain: dict[str, Any] = OmegaConf.to_container(merged, resolve=True)
    except (OmegaConfBaseException, YAMLError, ValueError) as error:
        raise ConfigError(f"{path}: wanted YAML settings and key=value overrides; found: {error}") from error
    return plain


def _layers(path: Path, depth: int = 0) -> Any:
    if depth > 8:
        raise ConfigError(f"{path}: `extends` goes round in a circle")
    if not path.is_file():
        raise ConfigError(f"{path}: wanted a YAML file; found none there. Give --config FILE.")
    loaded = OmegaConf.load(path)
    if not OmegaConf.is_dict(loaded):
        raise ConfigError(f"{path}: wanted settings as keys and values; found a list")
    base = loaded.pop("extends", None)
    return loaded if base is None else OmegaConf.merge(_layers(path.parent / base, depth + 1), loaded)


def _explain(kind: type[Settings], path: str, error: ValidationError) -> str:
    lines = [f"ConfigError: {error.error_count()} fault(s) in {path}"]
    for fault in error.errors():
        where = ".".join(str(part) for part in fault["loc"]) or "(whole file)"
        if fault["type"] == "extra_forbidden":
            near = difflib.get_close_matches(str(fault["loc"][-1]), _keys_at(kind, fault["loc"][:-1]), n=1)
            hint = f"; did you mean `{near[0]}`?" if near else ""
            lines.append(f"  {where}: no such setting{hint}")
        else:
            lines.append(f"  {where}: {fault['msg']}; found {fault.get('input')!r}"[:300])
    return "\n".join(lines)


def _keys_at(kind: Any, loc: tuple[int | str, ...]) -> list[str]:
    for part in loc:
        field = getattr(kind, "model_fields", {}).get(part)
        kinds = [] if field is None else [field.annotation, *getattr(field.annotation, "__args__", ())]
        kind = next((k for k in kinds if isinstance(k, type) and issubclass(k, BaseModel)), None)
    return list(getattr(kind, "model_fields", {}))
