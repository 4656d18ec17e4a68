"""Every generated page of the documentation, as one JSON object on standard output:  python infra/docs/pages.py

Path below docs/ to Markdown. It runs under the jobs' own Python, since it reads their options and settings; what builds
the site (infra/docs/hook.py) has an environment of its own and knows none of them.
Exit: 0 told; anything else a crash: a page that cannot be made makes no site.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import commands
import modules
import rules
import settings
import tables
from words import cell, code, table

from reasongen import errors

ROOT = Path(__file__).resolve().parents[2]
WHOLE = {
    "readme.md": "README.md",
    "changelog.md": "CHANGELOG.md",
    "contributing.md": "CONTRIBUTING.md",
    "log.md": "benchmarks/LOG.md",
}
"""Files of the checkout that stand on the site as they are."""


def pages(root: Path = ROOT) -> Mapping[str, str]:
    """Path below docs/ to Markdown."""
    return {
        "reference/commands.md": commands.page(root),
        "reference/exit-codes.md": exit_codes(root),
        "reference/settings.md": settings.page_of_the_night(root),
        "reference/settings-models.md": settings.page_of_models(root),
        "reference/tables.md": tables.page(),
        "reference/rules.md": rules.page(root),
        "reference/python.md": modules.page(root),
        **{page: (root / file).read_text(encoding="utf-8") for page, file in WHOLE.items()},
    }


def exit_codes(root: Path) -> str:
    """What the numbers mean: by error, then by job."""
    kinds = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, errors.ReasongenError)]
    by_error = [
        (code(one.__name__), str(one.exit_code), cell((one.__doc__ or "").partition("\n\n")[0]))
        for one in kinds
        if one is not errors.ReasongenError
    ]
    jobs = sorted((root / "jobs").glob("*.py"))
    by_job = [(code(job.name), cell(commands.exit_codes(commands.load(job).__doc__ or ""))) for job in jobs]
    return "\n\n".join(
        [
            _CODES,
            "## By error",
            table(("error", "code", "meaning"), by_error),
            "## By job",
            table(("job", "what its docstring says"), by_job),
        ]
    )


_CODES = f"""# Exit codes

| code | meaning | retry |
| --- | --- | --- |
| {errors.EXIT_OK} | done, or nothing to do | – |
| {errors.EXIT_FAULT} | a fault in arguments, settings or tables | useless until mended |
| {errors.EXIT_REFUSED} | the gate refused; what stood before stands | useless until looked at |
| {errors.EXIT_LEASE} | another live run works there, or a newer night stands | later, or never |
| else | a crash | helps |

What to do for each: [runbook](../runbook.md)."""


if __name__ == "__main__":
    json.dump(pages(), sys.stdout, ensure_ascii=False)
