"""The structural rules: is this a whole sentence, in the right language, with nothing in it but words and filled marks?

One function per rule: case in, failures out. They know no fact: whether a claim is true is another rule set's question.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from operator import eq

from reasongen.prompts.frame import EVIDENCE_FORMS, ITEM_FORMS
from reasongen.prompts.neutral import CONTROL, INVISIBLE
from reasongen.validation.case import FILLED, Case, Failure, masked, without_visible_words

Rule = Callable[[Case], Iterable[Failure]]

OWN_SHARE = 0.6  # of the letters outside literals, in Chinese: T恤, DIY and the like are part of the language

_HAN = "\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff"
_LATIN = "A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u1e00-\u1eff"
_OTHER_THAN_HAN = re.compile(rf"[^\W\d_{_HAN}]")
_OTHER_THAN_LATIN = re.compile(rf"[^\W\d_{_LATIN}]")
_OTHER_THAN_BOTH = re.compile(rf"[^\W\d_{_HAN}{_LATIN}]")
_DIGIT = re.compile(r"\d")
_LETTER = re.compile(r"[^\W\d_]")
_CLOSED = r"[”’」』）)\"']*$"
_WHOLE_END = {True: re.compile(rf"[。！？…!?]{_CLOSED}"), False: re.compile(rf"[.!?…]{_CLOSED}")}
# Cheap questions first: nearly every text answers no, and a plain character class is what `re` finds fastest.
_MARKUP_SIGN = re.compile(r"[<>{}`\\|*_~#&/]")
_LIST_SIGN = ("- ", "+ ", "• ")
_MARKUP = re.compile(
    r"<[^<>]*>|[<>{}`\\|*#]+|__+|~~+|&(?:[a-z]{2,8}|#x?[0-9a-f]{1,6});|https?:/*\S*|://|\bwww\.\S*|^(?:[-+•] )",
    re.IGNORECASE,
)
_HIDDEN = re.compile(f"[{CONTROL}{INVISIBLE}]+")
_REMNANT_SIGN = re.compile(r"[\[\]［］【】〔〕]")
_DOTTED = re.compile(r"\.[A-Za-z]")
_REMNANT = re.compile(
    rf"[\[\]［］【】〔〕]|(?<![A-Za-z0-9])(?:i\.(?:{'|'.join(ITEM_FORMS)})|e\d+\.(?:{'|'.join(EVIDENCE_FORMS)}))(?![A-Za-z0-9])",
    re.IGNORECASE,
)
_UNFILLED = re.compile(r"\[[^\[\]]{0,24}\]")
_CLAUSE = re.compile(r"[^，。；：、！？…,.;:!?]+")
_TWICE_ZH = re.compile(rf"(?!{FILLED})(.{{3,8}}?)\1")  # two characters twice is good Chinese (研究研究)
_TWICE_EN = re.compile(r"\b([a-z]+) \1\b", re.IGNORECASE)
_SPOKEN_TWICE = ("that", "had")
_CLAUSE_CHARS = {True: 4, False: 12}  # a shorter clause may well return ("if you like", 您好)


def empty(case: Case) -> Iterable[Failure]:
    """Nothing at all, or nothing but marks."""
    if _LETTER.search(case.outside) is None:
        yield Failure("empty", 0, len(case.text), "wanted words beside the marks; found none")


def cut_off(case: Case) -> Iterable[Failure]:
    """The model did not stop by itself, or the sentence has no end. A point inside a literal ends no sentence."""
    if case.finish_reason != "stop":
        yield Failure("cut_off", len(case.text), len(case.text), "wanted finish_reason stop; found another")
    if _WHOLE_END[case.limits.measured].search(case.outside) is None:
        yield Failure("cut_off", len(case.text), len(case.text), "wanted the end of a sentence; found none")


def too_short(case: Case) -> Iterable[Failure]:
    """Fewer characters than the locale's limit."""
    if len(case.text) < (wanted := case.limits.min_chars):
        yield Failure("too_short", 0, len(case.text), f"wanted at least {wanted} characters; found {len(case.text)}")


def too_long(case: Case) -> Iterable[Failure]:
    """More characters than the locale's limit."""
    if len(case.text) > (wanted := case.limits.max_chars):
        yield Failure("too_long", wanted, len(case.text), f"wanted at most {wanted} characters; found {len(case.text)}")


def wrong_language(case: Case) -> Iterable[Failure]:
    """Letters outside literals and visible words: English Latin ones only; Chinese mostly Han, some Latin, no third."""
    if not case.limits.measured:
        if case.outside.isascii() or _OTHER_THAN_LATIN.search(case.outside) is None:
            return
        foreign = _OTHER_THAN_LATIN.search(without_visible_words(case))
        if foreign is not None:
            yield Failure("wrong_language", *foreign.span(), "wanted Latin letters outside literals; found others")
        return
    if _OTHER_THAN_HAN.search(case.outside) is None:
        return
    own = without_visible_words(case)
    third = _OTHER_THAN_BOTH.search(own)
    if third is not None:
        yield Failure("wrong_language", *third.span(), "wanted Han letters outside literals; found another script")
    letters, latin = len(_LETTER.findall(own)), len(_OTHER_THAN_HAN.findall(own))
    if letters and letters - latin < OWN_SHARE * letters:
        share = f"{(letters - latin) / letters:.2f}"
        yield Failure("wrong_language", 0, len(case.text), f"wanted a share of Han of {OWN_SHARE}; found {share}")


def markup(case: Case) -> Iterable[Failure]:
    """Tags, entities, template braces, control tokens, markdown, addresses: in literals too."""
    text = case.text
    if _MARKUP_SIGN.search(text) is None and not text.startswith(_LIST_SIGN) and "www." not in text.lower():
        return
    for found in _MARKUP.finditer(text):
        yield Failure("markup", *found.span(), "wanted plain words; found markup")


def control_characters(case: Case) -> Iterable[Failure]:
    """Line breaks, controls, zero width, bidirectional controls, lone surrogates: in literals too."""
    if case.text.isascii() and case.text.isprintable():
        return
    for found in _HIDDEN.finditer(case.text):
        yield Failure("control_characters", *found.span(), "wanted visible characters; found hidden ones")


def unknown_reference(case: Case) -> Iterable[Failure]:
    """A mark that could not be filled, or what is left of one."""
    if _REMNANT_SIGN.search(case.outside) is None and _DOTTED.search(case.outside) is None:
        return
    whole = [found.span() for found in _UNFILLED.finditer(case.outside)]
    for start, end in whole:
        yield Failure("unknown_reference", start, end, "wanted a mark that the frame allows; found another")
    for found in _REMNANT.finditer(case.outside):
        if not any(start <= found.start() and found.end() <= end for start, end in whole):
            yield Failure("unknown_reference", *found.span(), "wanted a whole mark; found a part of one")


def stray_number(case: Case) -> Iterable[Failure]:
    """Outside filled marks, idioms and visible words: any digit (twins too) or number word of the locale.

    English `one` is a pronoun, a bare Chinese 一 an article (一款, 一起): neither counts. What counts with 一 stands in
    the locale's number words (一折), and idioms whose numeral counts nothing in its idioms (十分, 四季).
    """
    limits = case.limits
    if not limits.measured and limits.number_words.isdisjoint(case.words) and _DIGIT.search(case.outside) is None:
        return
    if limits.numbers.search(case.outside) is None:
        return
    own = without_visible_words(case)
    own = limits.idioms.sub(masked, own) if limits.idioms else own
    own = _REMNANT.sub(masked, _UNFILLED.sub(masked, own))  # [e9.title] is one fault, not two
    for found in limits.numbers.finditer(own):
        yield Failure("stray_number", *found.span(), "wanted numbers in marks only; found one outside")


def repeated(case: Case) -> Iterable[Failure]:
    """The same clause twice, or the same words twice in a row (outside literals)."""
    least = _CLAUSE_CHARS[case.limits.measured]
    lengths = [len(clause.strip()) for clause in _CLAUSE.findall(case.outside) if len(clause) >= least]
    if len(set(lengths)) < len(lengths):  # equal clauses have equal lengths
        yield from _repeated_clauses(case, least)
    if not case.limits.measured and not any(map(eq, case.words, case.words[1:])):
        return
    doubled = _TWICE_ZH if case.limits.measured else _TWICE_EN
    for found in doubled.finditer(case.outside):
        start, end = found.span()
        once = found.group(1)
        same = not case.limits.measured or case.text[start : start + len(once)] == case.text[end - len(once) : end]
        if same and once.lower() not in _SPOKEN_TWICE:
            yield Failure("repeated", start, end, "wanted words once; found them twice in a row")


def _repeated_clauses(case: Case, least: int) -> Iterable[Failure]:
    seen: set[str] = set()
    for found in _CLAUSE.finditer(case.outside):
        start, end = found.span()
        if end - start < least or not found.group().strip(FILLED):
            continue
        clause = case.text[start:end].strip().lower()
        if clause in seen:
            yield Failure("repeated", start, end, "wanted each clause once; found one again")
        seen.add(clause)


RULES: tuple[Rule, ...] = (
    empty,
    cut_off,
    too_short,
    too_long,
    wrong_language,
    markup,
    control_characters,
    unknown_reference,
    stray_number,
    repeated,
)
