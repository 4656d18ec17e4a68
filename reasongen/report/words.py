"""The report's own words in both languages: a page says each thing twice and shows one, without a script.

Whatever is filled in is escaped: a title is text, whatever stands in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from markupsafe import Markup, escape

LANGUAGES = ("en", "zh")


@dataclass(frozen=True)
class Said:
    """One thing in both languages, as safe HTML; a page shows that of the reader."""

    en: Markup
    zh: Markup

    def __html__(self) -> str:
        if self.en == self.zh:
            return self.en
        return f'<span class="en" lang="en">{self.en}</span><span class="zh" lang="zh-Hans">{self.zh}</span>'

    def __add__(self, other: Said) -> Said:
        return Said(self.en + other.en, self.zh + other.zh)


def say(key: str, **given: Any) -> Said:
    """The words of `section.key`, filled in; numbers get their commas. A key without words gives itself: a code that is
    younger than this file still has its line."""
    section, _, name = key.partition(".")
    texts = _texts().get(section, {}).get(name)
    if texts is None:
        return plain(name)
    return Said(*(Markup(text).format(**_filled(given, at)) for at, text in enumerate(texts)))


def known(key: str) -> bool:
    """Whether there are words for `section.key`."""
    section, _, name = key.partition(".")
    return name in _texts().get(section, {})


def plain(value: object) -> Said:
    """The same in both languages, escaped."""
    text = escape(number(value) if isinstance(value, int | float) else value)
    return Said(text, text)


def joined(parts: list[Said], en: str = ", ", zh: str = "，") -> Said:
    """Several things after each other."""
    return Said(Markup(en).join(part.en for part in parts), Markup(zh).join(part.zh for part in parts))


def number(value: float) -> str:
    """1234567 as 1,234,567; a fraction with as many digits as it needs to be told from its neighbours."""
    if isinstance(value, int) or value == int(value):
        return f"{value:,.0f}"
    return f"{value:,.1f}" if abs(value) >= 10 else f"{value:.2f}" if abs(value) >= 1 else f"{value:.3f}"


def share(part: float, whole: float = 1.0) -> str:
    """A share in percent; what is there is never told as 0."""
    if not whole:
        return "–"
    percent = 100 * part / whole
    return "< 0.1 %" if 0 < percent < 0.1 else f"{percent:.1f} %"


def span(seconds: float) -> Said:
    """Seconds as 7 s, or 3 min 20 s."""
    whole = round(seconds)
    if whole < 100:
        return Said(Markup(f"{whole} s"), Markup(f"{whole} 秒"))
    return Said(Markup(f"{whole // 60} min {whole % 60:02d} s"), Markup(f"{whole // 60} 分 {whole % 60:02d} 秒"))


def _filled(given: dict[str, Any], language: int) -> dict[str, Any]:
    def one(value: Any) -> Any:
        if isinstance(value, Said):
            return (value.en, value.zh)[language]
        return number(value) if isinstance(value, int | float) else value

    return {name: one(value) for name, value in given.items()}


@cache
def _texts() -> dict[str, dict[str, list[str]]]:
    file = Path(__file__).with_name("words.yaml")
    return {name: dict(texts) for name, texts in yaml.safe_load(file.read_text(encoding="utf-8")).items()}
