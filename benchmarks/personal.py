"""How much of what leads to a person the forms of tables/personal.py find, by kind, and what they take by mistake:

    python benchmarks/personal.py [ITEMS.jsonl ITEMS.jsonl.gz …]

Drawn with a fixed seed; needs no Spark. Names and addresses are Faker's, not those of tables/personal.yaml, and stand
alone too, to say plainly that they stay. Of each file, in which no such data is thought to be: the texts, and what is
taken out of them.
"""

from __future__ import annotations

import gzip
import json
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from random import Random
from typing import Any

from faker import Faker

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from reasongen.tables.personal import CUE, NUMBERS, PERSONS  # noqa: E402

DRAWN = 1000
Draw = Callable[[Random], str]


def _digits(rng: Random, count: int) -> str:
    return "".join(str(rng.randrange(10)) for _ in range(count))


def _one(*forms: Draw) -> Draw:
    return lambda rng: rng.choice(forms)(rng)


def _date(rng: Random, form: str = "{}{:02d}{:02d}") -> str:
    return form.format(rng.randrange(1950, 2010), rng.randrange(1, 13), rng.randrange(1, 29))


_FAMILY = ("Miller", "Wang", "Okafor", "Silva")
HELD: Mapping[str, Draw] = {
    "phone": _one(
        lambda r: f"1{r.randrange(3, 10)}{_digits(r, 9)}",
        lambda r: f"+86 1{r.randrange(3, 10)}{_digits(r, 1)} {_digits(r, 4)} {_digits(r, 4)}",
        lambda r: f"0{r.randrange(10, 99)}-{_digits(r, 8)}",
        lambda r: f"({r.randrange(200, 999)}) {_digits(r, 3)}-{_digits(r, 4)}",
        lambda r: f"+44 20 {_digits(r, 4)} {_digits(r, 4)}",
        lambda r: f"07{_digits(r, 3)} {_digits(r, 6)}",  # a British mobile as it is written at home
    ),
    "e-mail": _one(
        lambda r: f"{r.choice(_FAMILY).lower()}.{_digits(r, 2)}@example.com",
        lambda r: f"{_digits(r, 9)}@qq.example.cn",
        lambda r: f"{r.choice(_FAMILY).lower()} (at) example.com",  # disguised
    ),
    "id number": _one(
        lambda r: f"{r.randrange(110000, 660000)}{_date(r)}{_digits(r, 3)}{r.choice('0123456789X')}",
        lambda r: f"{_digits(r, 3)}-{_digits(r, 2)}-{_digits(r, 4)}",
        lambda r: f"E{_digits(r, 8)}",  # a passport
    ),
    "card number": _one(
        lambda r: f"4{_digits(r, 3)} {_digits(r, 4)} {_digits(r, 4)} {_digits(r, 4)}",
        lambda r: f"62{_digits(r, 17)}",
        lambda r: f"37{_digits(r, 13)}",
    ),
    "nothing: barcode": lambda r: f"{r.choice(('69', '40', '97'))}{_digits(r, 11)}",
    "nothing: date": lambda r: _date(r, "{}-{:02d}-{:02d}"),
    "nothing: size": lambda r: f"{_digits(r, 3)}x{_digits(r, 3)}x{_digits(r, 2)} mm",
    "nothing: model": lambda r: f"XT-{_digits(r, 4)}-{_digits(r, 3)}",
}


# {n} a name, {p} a telephone, {a} a whole address, {s} its street with a number.
FORMS: Mapping[str, tuple[str, ...]] = {
    "zh_CN name, labelled": ("联系人：{n}", "收货人{n}电话{p}", "请联系{n}先生", "{n}女士，{p}"),
    "zh_CN name, telephone": ("{n} {p}", "{n}，电话{p}", "转交{n}"),
    "zh_CN name, alone": ("{n}",),
    "zh_CN address, whole": ("{a}", "可到{a}自提", "地址:{a}"),
    "zh_CN address, house": ("{s}{r}号{r}单元{r}室", "{s}{r}弄{r}号{r}室", "寄到{s}{r}号"),
    "zh_CN address, street": ("{s}{r}号",),
    "en_US name, labelled": ("Contact: {n}", "Ship to: {n}", "Mr. {n}", "ask for {n}"),
    "en_US name, telephone": ("{n}, {p}", "{n} on {p}"),
    "en_US name, alone": ("{n}", "by {n}"),
    "en_US address, whole": ("{a}", "made at {a} by hand"),
    "en_US address, street": ("{s}", "pick up at {s}"),
    "en_GB name, labelled": ("Contact: {n}", "Deliver to {n}", "Mrs {n}", "call {n}"),
    "en_GB address, whole": ("{a}", "collect from {a}"),
    "en_GB address, street": ("{s}",),
}
# Brands, makers, authors, figures and streets that a title bears, and words that look like a label.
TITLES = (ROOT / "tests" / "cases" / "whole_titles.txt").read_text(encoding="utf-8").splitlines()


def persons(kind: str, forms: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Texts that hold a name or an address of the locale that `kind` begins with, and what must not stay of them."""
    locale = kind.split()[0]
    fake = Faker(locale)
    fake.seed_instance(7)
    for at in range(DRAWN):
        name = fake.name() if locale == "zh_CN" else f"{fake.first_name()} {fake.last_name()}"
        street = fake.street_name() if locale == "zh_CN" else fake.street_address()
        told = {
            "n": name,
            "p": fake.phone_number(),
            "a": fake.address().replace("\n", ", "),
            "s": street.replace("\n", ", "),
            "r": str(fake.random_int(1, 60)),
        }
        form = forms[at % len(forms)]
        yield form.format(**told), " ".join(told[letter] for letter in "nas" if f"{{{letter}}}" in form)


NUMBER, PERSON, LIKELY = re.compile(NUMBERS), re.compile(PERSONS), re.compile(CUE)


def found(text: str) -> str | None:
    """What is taken out first, or None."""
    match = (PERSON.search(text) if LIKELY.search(text) else None) or NUMBER.search(text)
    return match[0] if match else None


def gone(text: str, secret: str) -> bool:
    """Whether no word, number or run of characters of the secret stays in the text."""
    left = NUMBER.sub(" ", PERSON.sub(" ", text)) if found(text) else text
    return not any(part in left for part in re.findall("[A-Za-z]{3,}|[\u4e00-\u9fff]{2,}|[0-9]{2,}", secret))


def strings(value: Any) -> Iterator[str]:
    """Every text in what a line of JSON holds."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from strings(one)


def texts(path: str) -> Iterator[str]:
    """Of a file of JSON lines, packed or not; what does not parse is left out."""
    with (gzip.open if path.endswith(".gz") else open)(path, "rt", encoding="utf-8", errors="replace") as lines:
        for line in lines:
            try:
                yield from strings(json.loads(line))
            except ValueError:
                continue


def main() -> int:
    """Prints a row for each kind and file."""
    rng = Random(7)
    print(f"{'kind':24}{'drawn':>8}{'taken out':>11}")
    hit = {kind: [found(draw(rng)) is not None for _ in range(DRAWN)] for kind, draw in HELD.items()}
    hit |= {kind: [gone(*one) for one in persons(kind, forms)] for kind, forms in FORMS.items()}
    hit["nothing: hard titles"] = [found(title) is not None for title in TITLES]
    for kind, hits in hit.items():
        print(f"{kind:24}{len(hits):>8}{sum(hits) / len(hits):>11.1%}")
    for path in sys.argv[1:]:
        said, began = list(texts(path)), time.perf_counter()
        taken = [one for one in map(found, said) if one]
        rate = sum(map(len, said)) / (time.perf_counter() - began)
        print(f"{path}: {len(taken)} of {len(said)} texts, {rate:,.0f} characters a second; {taken[:5]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
