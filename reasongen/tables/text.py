"""What is taken out of a text before anything else sees it: markup, characters that do not show, broken bytes.

Column expressions alone. Nothing is escaped or translated here, and nothing is judged: a title that speaks to the model
stays what it is.
"""

from __future__ import annotations

from collections.abc import Callable

from pyspark.sql import Column
from pyspark.sql import functions as F

MAX_PARTS = 64
"""Tags or attributes of one item; more are dropped."""

_SPACE = r"[\s\x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000}]+"
# Controls, soft hyphen, zero width, bidi, annotation, variation selectors and tags of the upper planes.
_UNSEEN = (
    r"[\x{0}-\x{8}\x{E}-\x{1F}\x{7F}-\x{84}\x{86}-\x{9F}\x{AD}\x{61C}\x{180E}\x{200B}-\x{200F}\x{202A}-\x{202E}"
    r"\x{2060}-\x{206F}\x{FEFF}\x{FFF9}-\x{FFFB}\x{E0000}-\x{E0FFF}]"
)
_BROKEN = r"\x{FFFD}"
_SUSPECT = r"[<&\x{FFFD}" + _UNSEEN[1:-1] + _SPACE[1:-2].replace(r"\s", r"\t-\r") + r"]|  |^ | $"
"""What any of the repairs would touch: a text without it is left as it is, at the price of one search."""
_ENTITY = r"&(?:amp|lt|gt|quot|apos|nbsp|#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6});"
_SCRIPT = r"(?is)<(script|style)\b[^>]*>.*?(?:</\1\s*>|$)"
_TAG = r"(?s)<!--.*?(?:-->|$)|</?[a-zA-Z][a-zA-Z0-9]*(?:\s[^<>]*|/)?>|<[a-zA-Z][^<>]*=[^<>]*$"
_INLINE = r"(?i)</?(?:a|b|i|u|em|strong|span|font|mark|small|sub|sup)(?:\s[^<>]*|/)?>"
_NAMED = {"&lt;": "<", "&gt;": ">", "&quot;": '"', "&apos;": "'", "&#39;": "'", "&nbsp;": " ", "&amp;": "&"}


def clean(text: Column, max_chars: int) -> Column:
    """Cut at `max_chars` characters, then without markup and unseen characters, white space folded; null stays null."""
    head = _head(text, max_chars)
    return F.when(head.rlike(_SUSPECT), _without(head)).otherwise(head)


def clean_parts(parts: Column, max_chars: int) -> Column:
    """Each text of an array cleaned, empty ones dropped, at most MAX_PARTS; null stays null."""
    return F.filter(F.transform(F.slice(parts, 1, MAX_PARTS), lambda part: clean(part, max_chars)), lambda p: p != "")


def clean_entries(named: Column, max_chars: int) -> Column:
    """Entries of a map with names and values cleaned, at most MAX_PARTS, in the order of their names as given; names
    may have become equal."""
    sorted_first = F.slice(F.array_sort(F.map_entries(named)), 1, MAX_PARTS)
    cleaned = F.transform(
        sorted_first,
        lambda e: F.struct(clean(e["key"], max_chars).alias("key"), clean(e["value"], max_chars).alias("value")),
    )
    return F.filter(cleaned, lambda e: (e["key"] != "") & (e["value"] != ""))


def repairs(texts: list[Column], parts: list[Column], max_chars: int) -> Column:
    """Codes of what `clean` takes out of these texts and arrays of texts: html, control_characters, broken_utf8,
    oversize. An array of strings, without nulls."""

    def any_of(bad: Callable[[Column], Column]) -> Column:
        found = [F.coalesce(bad(text), F.lit(False)) for text in texts]
        found += [F.coalesce(F.exists(F.slice(part, 1, MAX_PARTS), bad), F.lit(False)) for part in parts]
        return F.array_max(F.array(*found))

    tests: dict[str, Callable[[Column], Column]] = {
        "html": lambda t: _head(t, max_chars).rlike(f"{_TAG}|{_ENTITY}"),
        "control_characters": lambda t: _head(t, max_chars).rlike(_UNSEEN),
        "broken_utf8": lambda t: _head(t, max_chars).rlike(_BROKEN),
    }
    many = [F.coalesce(F.size(part) > MAX_PARTS, F.lit(False)) for part in parts]
    over = F.array_max(F.array(any_of(lambda t: F.length(t) > max_chars), *many))
    codes = [F.when(any_of(test), F.lit(code)) for code, test in tests.items()]
    touched = any_of(lambda t: _head(t, max_chars).rlike(_SUSPECT))
    repaired = F.when(touched, F.array_compact(F.array(*codes))).otherwise(F.array().cast("array<string>"))
    return F.when(over, F.array_append(repaired, F.lit("oversize"))).otherwise(repaired)


def locale_word(value: Column, default: str) -> Column:
    """`zh-Hans_CN` as `zh`; null or blank as `default`."""
    word = F.lower(F.trim(F.split(F.regexp_replace(value, "_", "-"), "-")[0]))
    return F.coalesce(F.nullif(word, F.lit("")), F.lit(default))


def usable_id(value: Column) -> Column:
    """Whether an id can name anything: present, not blank, valid UTF-8."""
    return F.coalesce((F.trim(value) != "") & F.is_valid_utf8(value), F.lit(False))


def _head(text: Column, max_chars: int) -> Column:
    return F.substring(F.make_valid_utf8(text), 1, max_chars)


def _without(text: Column) -> Column:
    # Entities first: what they hide may be a tag. `&amp;` last, so that what is escaped twice is never decoded twice.
    for entity, plain in _NAMED.items():
        text = F.replace(text, F.lit(entity), F.lit(plain))
    text = F.regexp_replace(text, _ENTITY, " ")
    # Unseen characters go before tags, or one inside `<scr\u200bipt>` would hide it.
    text = F.regexp_replace(text, f"{_UNSEEN}|{_BROKEN}", "")
    text = F.regexp_replace(text, _SCRIPT, " ")
    text = F.regexp_replace(text, _INLINE, "")
    text = F.regexp_replace(text, _TAG, " ")
    return F.trim(F.regexp_replace(text, _SPACE, " "))
