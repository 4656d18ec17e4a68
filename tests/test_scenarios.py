"""Other domains by files alone: a small world of each goes from its tables to its page, and says what its files ask."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from nights import FILES, ROOT
from pyspark.sql import SparkSession

from jobs.report import main as report
from reasongen.config import NightConfig, load_config
from reasongen.errors import ConfigError
from reasongen.evidence import catalogue
from reasongen.pipeline import Run, generate_night
from reasongen.prompts import load_locale, load_locales
from reasongen.sample import load_world_settings, write_world
from reasongen.validation import load_private

SCENARIOS = ROOT / "conf" / "scenarios"
DOMAINS = sorted(path.stem for path in SCENARIOS.glob("*.yaml"))
SMALL = ["users=80", "visits=1500", "heavy_user_events=60", "items_per_category=6"]
SENSITIVE = (
    "blood pressure",
    "pill box",
    "pregnancy",
    "knee",
    "heat pack",
    "血压计",
    "药盒",
    "孕妇枕",
    "护膝",
    "热敷袋",
)
"""Of a category of the health world: what the goods of a pharmacy tell of whoever looks at them."""


class Night:
    """A night of one domain over its own small tables, by the scripted engine."""

    def __init__(self, spark: SparkSession, name: str, folder: Path) -> None:
        own = SCENARIOS / name
        world = write_world(load_world_settings(own / "world.yaml", SMALL), folder / "world").path
        places = [f"inputs.{table}.path={world / file}" for table, file in FILES.items()]
        engine = ["engine.backend=scripted", "gate.max_fallback_share=1", "gate.max_quarantined_share=1"]
        self.sets = [*places, *engine, f"root={folder}/lake", "show=0"]
        self.file = SCENARIOS / f"{name}.yaml"
        self.config: NightConfig = load_config(self.file, self.sets)
        self.items: dict[str, dict[str, Any]] = dict(items_of(world))
        self.run: Run = generate_night(spark, self.config)
        self.reasons = pl.read_delta(f"{self.config.root}/reasons")

    def texts(self, locale: str) -> list[str]:
        return self.reasons.filter(pl.col("locale") == locale)["reason"].to_list()

    def evidence(self) -> list[dict[str, Any]]:
        return [row for rows in self.reasons["evidence"].to_list() for row in rows]


def items_of(world: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The readable lines of a sample world."""
    for line in (world / "items.jsonl").read_bytes().splitlines():
        try:
            row = json.loads(line.decode("utf-8", errors="replace"))
        except ValueError:
            continue
        if row["item_id"]:
            yield row["item_id"], row


@pytest.fixture(scope="module")
def hotels(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Night:
    return Night(spark, "hotels", tmp_path_factory.mktemp("hotels"))


@pytest.fixture(scope="module")
def courses(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Night:
    return Night(spark, "courses", tmp_path_factory.mktemp("courses"))


@pytest.fixture(scope="module")
def health(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Night:
    return Night(spark, "health", tmp_path_factory.mktemp("health"))


@pytest.mark.parametrize("name", DOMAINS)
def test_a_domain_is_at_most_120_lines_of_configuration(name: str) -> None:
    own = SCENARIOS / name
    files = [SCENARIOS / f"{name}.yaml", *(path for path in own.rglob("*.yaml") if path.parent != own / "world")]
    assert sum(len(path.read_text(encoding="utf-8").splitlines()) for path in files) <= 120


def test_no_code_knows_a_domain() -> None:
    for path in [*(ROOT / "reasongen").rglob("*.py"), *(ROOT / "jobs").glob("*.py")]:
        text = path.read_text(encoding="utf-8")
        assert [name for name in DOMAINS if f'"{name}"' in text or f"scenarios/{name}" in text] == [], path


def whole(night: Night) -> None:
    """Every pair has its class, both languages have reasons, and the page tells of them."""
    pairs = night.run.pairs
    ends = ("published", "fallback", "quarantined")
    rest = sum(n for name, n in pairs.items() if name.startswith(("rejected.", "skipped.")))
    assert night.run.status == "published"
    assert pairs["candidates"] == rest + sum(pairs.get(name, 0) for name in ends)
    assert night.reasons.height == pairs["published"] + pairs.get("fallback", 0)
    assert len(night.texts("zh")) > 20
    assert len(night.texts("en")) > 20
    assert report(["--config", str(night.file), *(part for one in night.sets for part in ("--set", one))]) == 0
    assert (Path(night.config.root) / "report" / "index.html").is_file()


@pytest.mark.long
def test_health_goes_from_tables_to_page(health: Night) -> None:
    whole(health)


@pytest.mark.long
def test_no_sensitive_item_ever_becomes_evidence(health: Night) -> None:
    sensitive = {key for key, row in health.items.items() if any(word in row["category"] for word in SENSITIVE)}
    told = {row["item_id"] for row in health.evidence()}
    assert len(sensitive) > 50
    assert told  # whoever looked at mats and bottles is told so
    assert told & sensitive == set()
    about = health.reasons.filter(pl.col("item_id").is_in(list(sensitive)))
    assert about["evidence"].list.len().sum() == 0
    assert [text for text in about["reason"] if any(word in text for word in SENSITIVE)] == []
    assert health.run.pairs["quarantined"] > health.run.pairs["candidates"] // 10  # nothing is left to say of most


@pytest.mark.long
def test_no_complaint_and_no_cure_is_read_in_a_reason(health: Night) -> None:
    """They stand in tags and in an attribute, whose other half is told."""
    told = [row["attributes"] or {} for row in health.items.values()]
    complaints = {row[name] for row in told for name in ("helps with", "适用病症") if name in row}
    assert len(complaints) > 20
    assert [text for text in health.reasons["reason"] if any(word in text for word in complaints)] == []
    marks = {claim["mark"] for claims in health.reasons["claims"].to_list() for claim in claims}
    assert "[i.attr]" in marks
    assert marks & {"[i.word1]", "[i.word2]"} == set()
    assert {row["facet"] for row in health.evidence()} <= {"category", "brand", "attribute"}
    looks = {row["word"] for row in health.evidence() if row["facet"] == "attribute"}
    assert looks <= {"color", "material", "size", "颜色", "材质", "尺寸"}


@pytest.mark.slow
def test_hotels_go_from_tables_to_page(hotels: Night) -> None:
    whole(hotels)


@pytest.mark.slow
def test_nobody_is_told_of_a_booking(hotels: Night) -> None:
    acts = {row["action"] for row in hotels.evidence()}
    assert "browse" in acts
    assert acts & {"purchase", "cart"} == set()


@pytest.mark.slow
def test_a_hotel_is_counted_as_a_house_and_made_by_nobody(hotels: Night) -> None:
    zh = hotels.texts("zh")
    assert any("家酒店" in text for text in zh)
    assert [text for text in zh if any(f"款{noun}" in text for noun in ("酒店", "民宿", "青旅", "地方"))] == []
    marks = [claim["mark"] for claims in hotels.reasons["claims"].to_list() for claim in claims]
    assert "[i.noun]" in marks
    assert "[i.brand]" not in marks
    assert {row["facet"] for row in hotels.evidence()} == {"category", "tag", "attribute"}


@pytest.mark.long
def test_courses_go_from_tables_to_page(courses: Night) -> None:
    whole(courses)
    assert any("门编程课" in text for text in courses.texts("zh"))
    words = {row["word"] for row in courses.evidence() if row["facet"] == "attribute"}
    assert {"school", "开课方"} <= words


def test_an_item_without_a_category_is_called_as_its_domain_calls_things(spark: SparkSession) -> None:
    config = load_config(SCENARIOS / "hotels.yaml")
    ddl = "item_id string, title string, tags array<string>, attributes map<string,string>, category string"
    rows = [
        ("a", "Blue Door", [], {}, None, None, "en"),
        ("b", "蓝门", [], {}, "", None, "zh"),
        ("c", "[]", [], {}, None, None, "en"),
    ]
    items = spark.createDataFrame(rows, f"{ddl}, brand string, locale string")
    locales, private = load_locales(config.locale_files), load_private(config.privacy, config.locales)
    told = catalogue(items, settings=config.evidence, locales=locales, private=private).collect()
    assert {row["item_id"]: row["noun"] for row in told} == {"a": "place to stay", "b": "地方", "c": "place to stay"}
    assert {row["noun_class"] for row in told} == {"place"}
    assert next(row["title"] for row in told if row["item_id"] == "c") == "place to stay"


def test_a_locale_that_extends_another_keeps_what_it_does_not_say() -> None:
    base, own = load_locale(ROOT / "conf/locales/en.yaml"), load_locale(SCENARIOS / "hotels" / "locales" / "en.yaml")
    assert own.limits == base.limits
    assert own.class_of["tent"] == "use"
    assert own.class_of["hostel"] == "place"
    assert "hostel" not in base.class_of
    assert own.digest != base.digest


def test_a_fault_of_a_locale_that_extends_another_names_its_file(tmp_path: Path) -> None:
    own = tmp_path / "en.yaml"
    own.write_text(f"extends: {ROOT}/conf/locales/en.yaml\ntitle_chars: 1\n")
    with pytest.raises(ConfigError, match=r"en\.yaml: title_chars"):
        load_locale(own)
    own.write_text("extends: nowhere.yaml\n")
    with pytest.raises(ConfigError, match=r"nowhere\.yaml: wanted a YAML file"):
        load_locale(own)
