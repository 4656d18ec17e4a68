"""Verdicts on JSON lines:  python jobs/check_texts.py IN.jsonl [--rules-only]
One object per line (text, locale, item, events, user; all but text and locale may be missing) gives one line on
standard output: verdict (pass, review, refuse), rules, claims; a malformed line gives its error there.
Exit: 0 every line was answered; 2 a fault in arguments, settings or the file; anything else a crash."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from reasongen.errors import EXIT_FAULT, ReasongenError
from reasongen.validation.texts import load_text_judge

CONF = Path(__file__).resolve().parents[1] / "conf"


def main(argv: Sequence[str] | None = None) -> int:
    """Judge every line of the file, in order; `-` reads standard input."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lines", metavar="IN.jsonl", help="the texts with their evidence")
    parser.add_argument("--rules-only", action="store_true", help="ask the rules of the policy alone, not the claims")
    parser.add_argument("--no-second-opinion", action="store_true", help="ask rules and licences alone")
    parser.add_argument("--conf", default=str(CONF), help="folder that holds policies/, licences/ and opinion/")
    options = parser.parse_args(argv)
    try:
        judge = load_text_judge(options.conf, opinion=not (options.rules_only or options.no_second_opinion))
        lines = sys.stdin.buffer.readlines() if options.lines == "-" else _lines(Path(options.lines))
    except ReasongenError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"{options.lines}: wanted a readable file of JSON lines; found {type(error).__name__}", file=sys.stderr)
        return EXIT_FAULT
    for line in lines:
        answer = judge.check_line(line, rules_only=options.rules_only)
        sys.stdout.buffer.write(json.dumps(answer, ensure_ascii=False).encode("utf-8", "replace") + b"\n")
    sys.stdout.buffer.flush()
    return 0


def _lines(path: Path) -> list[bytes]:
    with path.open("rb") as source:
        return source.readlines()


if __name__ == "__main__":
    sys.exit(main())
