"""How much of what leads to a person the forms of tables/personal.py find, by kind, and what they take by mistake:

    python benchmarks/personal.py

Drawn with a fixed seed; needs no Spark. Names and addresses are drawn too, to say plainly that they stay.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from reasongen.tables.personal import PERSONAL  # noqa: E402

DRAWN = 1000
Draw = Callable[[Random], str]


def _digits(rng: Random, count: int) -> str:
    return "".join(str(rng.randrange(10)) for _ in range(count))


def _one(*forms: Draw) -> Draw:
    return lambda rng: rng.choice(forms)(rng)


def _date(rng: Random, form: str = "{}{:02d}{:02d}") -> str:
    return form.format(rng.randrange(1950, 2010), rng.randrange(1, 13), rng.randrange(1, 29))


_FAMILY, _ROADS = ("Miller", "Wang", "Okafor", "Silva"), ("Hill Road", "Mill Lane", "Station Street")
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
    "address": _one(
        lambda r: f"{r.randrange(1, 200)} {r.choice(_ROADS)}",
        lambda r: f"中山路{r.randrange(1, 200)}号{r.randrange(1, 9)}单元",
    ),
    "name": _one(lambda r: f"Ann {r.choice(_FAMILY)}", lambda r: r.choice(("王小明", "李雪", "陈建国"))),
    "nothing: barcode": lambda r: f"{r.choice(('69', '40', '97'))}{_digits(r, 11)}",
    "nothing: date": lambda r: _date(r, "{}-{:02d}-{:02d}"),
    "nothing: size": lambda r: f"{_digits(r, 3)}x{_digits(r, 3)}x{_digits(r, 2)} mm",
    "nothing: model": lambda r: f"XT-{_digits(r, 4)}-{_digits(r, 3)}",
}


def main() -> int:
    """Prints a row for each kind."""
    rng, form = Random(7), re.compile(PERSONAL)
    print(f"{'kind':18}{'drawn':>7}{'taken out':>11}")
    for kind, draw in HELD.items():
        taken = sum(form.search(draw(rng)) is not None for _ in range(DRAWN))
        print(f"{kind:18}{DRAWN:>7}{taken / DRAWN:>10.1%}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
