"""Reasons that need no model: fixed sentences of the locale over catalogue facts. Knows no evidence of a user."""

from __future__ import annotations

from reasongen.prompts.frame import Frame, Literals
from reasongen.prompts.locales import Locale


def fallback_text(locale: Locale, frame: Frame, literals: Literals, seed: int, *, titled: bool = True) -> str:
    """A skeleton with item marks only, one of all forms that the pair's catalogue facts allow.

    `titled` false: a form without the title, for one that is missing or may not be shown.
    `seed`: any integer, a hash of the pair, so that neighbours differ and a second night says the same.
    """
    known = {"words": bool(frame.words), "attribute": bool(frame.attribute and literals.attr)}
    known["brand"] = bool(frame.brand and literals.brand)
    if not titled:
        return locale.fallback["untitled"][seed % len(locale.fallback["untitled"])]
    forms = [form for situation, holds in known.items() if holds for form in locale.fallback[situation]]
    forms = forms or list(locale.fallback["bare"])
    return forms[seed % len(forms)]
