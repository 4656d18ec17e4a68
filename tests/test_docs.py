"""What the documentation tells a reader to type is there, and does what the page says."""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import pytest
from doc_pages import PAGES, Page, copied, run_page, sandbox

from reasongen import schema
from reasongen.config import ExampleConfig, NightConfig
from reasongen.validation.rules import load_rule

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "infra" / "docs"))
import commands  # noqa: E402
import pages  # noqa: E402
import settings  # noqa: E402

MKDOCS = ROOT / ".local" / "docs" / "bin" / "mkdocs"
JOBS = sorted((ROOT / "jobs").glob("*.py"))
OTHERS = {"train", "train_opinion", "tune", "evaluate", "promote", "sample_world", "experiment"}
"""Jobs that do not read the settings of a night."""
ITS_OWN = ("spark.driver", "spark.executor", "spark.sql", "spark.task", "spark.speculation", "spark.dynamicAllocation")
"""Spark's own settings look like ours."""
_SET = re.compile(r"--set ['\"]?([\w.]+)=")
FOLDERS = "jobs|conf|benchmarks|reasongen|infra|tests|models|requirements|notebooks"
TUTORIAL = next(page for page in PAGES if page.path.name == "tutorial.md")
HOW_TO = [page for page in PAGES if page.path.parent.name == "how-to" and any(block.is_run for block in page.blocks)]
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


@cache
def options(job: str) -> frozenset[str]:
    parser = commands.parser_of(ROOT / job)
    assert parser is not None, job
    return frozenset(name for action in commands.options_of(parser) for name in action.option_strings)


@cache
def night_settings() -> frozenset[str]:
    """Every setting of a night, and every group of some."""
    found = [path for path, _, _ in settings.fields(ExampleConfig)]
    return frozenset(".".join(path.split(".")[:length]) for path in found for length in range(1, path.count(".") + 2))


def is_setting(path: str) -> bool:
    """Of a map of names, such as `inputs.items.columns`, every name below is one."""
    known = night_settings()
    maps = {path for path, field, _ in settings.fields(ExampleConfig) if "dict" in str(field.annotation)}
    return path in known or any(path.startswith(f"{one}.") for one in maps)


@every_page
def test_every_option_of_a_job_exists(page: Page) -> None:
    wrong = [
        f"{job}: {option}"
        for job, words in page.jobs
        if (ROOT / job).exists() and job.startswith("jobs/") | (job == "infra/airflow/ready.py")
        for option in re.findall(r"(?<!\S)(--[a-z][a-z-]*)", words)
        if option not in options(job)
    ]
    assert wrong == []


@every_page
def test_an_option_by_itself_belongs_to_some_job(page: Page) -> None:
    known = {option for job in JOBS for option in options(f"jobs/{job.name}")} | {"--help", "--jars", "--archives"}
    alone = {code.split()[0].split("=")[0] for code in page.code if code.startswith("--")}
    assert alone - known == set()


@every_page
def test_every_setting_exists(page: Page) -> None:
    elsewhere = [key for job, words in page.jobs if Path(job).stem in OTHERS for key in _SET.findall(words)]
    given = set(_SET.findall(page.text)) - set(elsewhere)
    groups = {path.split(".")[0] for path in night_settings() if "." in path}
    named = [code for code in page.code if re.fullmatch(r"[a-z_]+(\.[a-z_]+)+", code) and code.split(".")[0] in groups]
    wrong = {key for key in [*given, *named] if not is_setting(key) and not key.startswith(ITS_OWN)}
    assert wrong - BROKEN == set()


BROKEN = {"inputs.items.columns.title", "inputs.events.columns.timestamp"}
"""Shown as they fail."""


@every_page
def test_every_make_target_exists(page: Page) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    assert set(re.findall(r"(?:^|`)make ([a-z-]+)", page.text, re.M)) - targets == set()


@every_page
def test_every_file_and_every_test_that_it_names_exists(page: Page) -> None:
    named = re.findall(rf"(?<![\w./-])((?:{FOLDERS})/[\w./-]*\w)(?:::(test_\w+))?", page.text)
    made = {f"conf/policies/en/{name}" for name in ("R90_house.yaml",)}
    missing = [path for path, _ in named if path not in made and not (ROOT / path).exists()]
    lacking = [
        f"{path}::{test}"
        for path, test in named
        if test and f"def {test}(" not in (ROOT / path).read_text(encoding="utf-8")
    ]
    assert missing + lacking == []


@every_page
def test_a_block_is_run_or_says_why_not(page: Page) -> None:
    blocks = page.blocks
    for block in blocks:
        assert block.is_run or re.match(r"# not run[^:\n]*: \S", block.commands + ""), block.commands
    runs = any(block.is_run for block in blocks)
    assert not runs or page in [TUTORIAL, *HOW_TO], "wanted a page whose commands are run"
    for block in blocks:
        checked = subprocess.run(["bash", "-n"], input=block.commands, text=True, check=False)
        assert checked.returncode == 0, block.commands


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    return dict(pages.pages())


def test_the_reference_has_every_job_with_every_option(made: dict[str, str]) -> None:
    page = made["reference/commands.md"]
    for job in JOBS:
        assert f"\n## {job.stem}\n" in page
        section = page.partition(f"\n## {job.stem}\n")[2].partition("\n## ")[0]
        assert [one for one in options(f"jobs/{job.name}") if one not in section] == []


def test_the_reference_has_every_setting_every_column_and_every_rule(made: dict[str, str]) -> None:
    night = made["reference/settings.md"]
    shown = [path for path, _, _ in settings.fields(NightConfig) if not path.startswith("inputs.")]
    assert [path for path in shown if f"| `{path}` |" not in night] == []
    assert "| `engine.samples` | `1` | whole number, at least 1, at most 16 | per prompt, 1-16; of several" in night
    columns = [column.name for table in schema.INPUTS.values() for column in table.columns]
    columns += [column.name for table in schema.OUTPUTS.values() for column in table.columns]
    assert [name for name in columns if f"| `{name}` |" not in made["reference/tables.md"]] == []
    rules = [load_rule(path) for path in sorted((ROOT / "conf" / "policies").glob("*/*.yaml"))]
    assert [one.id for one in rules if f"/{one.id}.yaml`" not in made["reference/rules.md"]] == []


def test_what_is_made_names_no_place_of_this_machine(made: dict[str, str]) -> None:
    assert [name for name, text in made.items() if str(ROOT) in text] == []


def test_a_job_is_not_run_to_find_its_options() -> None:
    parser = commands.parser_of(ROOT / "jobs" / "generate.py")
    assert isinstance(parser, argparse.ArgumentParser)
    assert {"--config", "--night", "--dry-run"} <= options("jobs/generate.py")


class _Asked(HTMLParser):
    """What a page asks of another machine by itself: links that a reader may click are no such thing."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag != "a":
            said = [value or "" for name, value in attrs if name in ("src", "href", "srcset", "data")]
            self.found += [value for value in said if re.match(r"(https?:)?//", value)]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not MKDOCS.exists():
        pytest.skip("no mkdocs on this machine: `make docs-setup` brings it")
    out = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [MKDOCS, "build", "--strict", "--quiet", "--site-dir", out],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return out


@pytest.mark.slow
def test_the_site_is_built_without_a_warning_and_asks_nothing_of_another_machine(site: Path) -> None:
    built = sorted(site.rglob("*.html"))
    assert {page.path.stem for page in PAGES if page.path.parent != ROOT} <= {page.stem for page in built}
    asked: dict[str, list[str]] = {}
    for page in built:
        reader = _Asked()
        reader.feed(page.read_text(encoding="utf-8"))
        asked |= {page.name: reader.found} if reader.found else {}
    assert asked == {}
    styles = [file for file in site.rglob("*.css") if re.search(r"url\((['\"])?(https?:)?//", file.read_text())]
    assert styles == []


@pytest.mark.slow
def test_the_search_has_every_page(site: Path) -> None:
    index = (site / "search" / "search_index.json").read_text(encoding="utf-8")
    assert [name for name in pages.pages() if name.replace(".md", ".html") not in index] == []


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, list[str]]]:
    """The folder that the tutorial leaves, and what it should have printed and did not."""
    folder = sandbox(tmp_path_factory.mktemp("tutorial") / "checkout")
    yield folder, run_page(TUTORIAL, folder)
    shutil.rmtree(folder / ".local", ignore_errors=True)


@pytest.mark.long
def test_the_tutorial_prints_what_it_says(walked: tuple[Path, list[str]]) -> None:
    assert walked[1] == []


@pytest.mark.long
@pytest.mark.parametrize("page", HOW_TO, ids=lambda page: page.name)
def test_a_how_to_prints_what_it_says(page: Page, walked: tuple[Path, list[str]], tmp_path: Path) -> None:
    assert run_page(page, copied(walked[0], tmp_path / "checkout")) == []
