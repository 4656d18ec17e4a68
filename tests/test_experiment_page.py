"""The job from tables to page: exit codes, what it prints, and the page in a real Chromium, in both languages."""

from __future__ import annotations

import json
import re
import runpy
import subprocess
import sys
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from browser import CHROMIUM
from probe import SECONDS, look, with_probe
from trials import done, settings, shown, tables

from reasongen.config import load_settings
from reasongen.experiments.effects import Effect
from reasongen.experiments.off_policy import value_of
from reasongen.experiments.rows import coded_before, coded_exposures, coded_feedback
from reasongen.experiments.sample import planted, simulated
from reasongen.experiments.settings import ExperimentSettings
from reasongen.experiments.study import figures_of, told
from reasongen.report.experiment import between, lift, p_value, percent, render_experiment
from reasongen.report.words import known

ROOT = Path(__file__).resolve().parent.parent
CONF = str(ROOT / "conf" / "experiment.yaml")
NAMES = ["sample", "blocked", "hostile"]
LOOKS = list(product(NAMES, ["en", "zh"], [1280, 390]))


def job(*options: str) -> int:
    code: int = runpy.run_path(str(ROOT / "jobs" / "experiment.py"))["main"](["--config", CONF, *options])
    return code


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the one command of the guide was run, as a new user runs it."""
    folder = tmp_path_factory.mktemp("sample")
    command = [sys.executable, "-W", "error", "jobs/experiment.py", "--config", "conf/experiment.yaml"]
    command += ["--sample", str(folder), "--html", str(folder / "sample.html"), "--json", str(folder / "figures.json")]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert (run.returncode, run.stderr) == (0, "")
    (folder / "printed.txt").write_text(run.stdout)
    return folder


def test_the_sample_is_read_as_it_was_planted(sample: Path) -> None:
    figures = json.loads((sample / "figures.json").read_text())
    truth = planted(load_settings(ExperimentSettings, CONF))
    assert figures["status"] == "better"
    effects = {one["arm"]: one for one in figures["metrics"]["ctr"]["effects"]}
    for arm, one in effects.items():
        assert one["lift_always"][0] < truth[arm] < one["lift_always"][1]
        assert one["lift_always"][0] < one["lift_fixed"][0] < one["lift"] < one["lift_fixed"][1] < one["lift_always"][1]
    assert (effects["model"]["finding"], effects["template"]["finding"]) == ("better", "open")
    assert figures["policies"]["model_for_new"]["values"]["dr"]["value"] > effects["template"]["value"]
    assert {"doubled", "bot", "no_user"} <= set(figures["codes"]["exposures"])
    assert {"doubled", "late", "no_exposure", "unknown_kind", "exposure_bot"} <= set(figures["codes"]["feedback"])
    assert sum(figures["codes"]["exposures"].values()) == pq.read_metadata(sample / "exposures.parquet").num_rows
    assert "model: 6." in (sample / "printed.txt").read_text()


def test_the_same_seed_writes_the_same_rows() -> None:
    chosen = settings(arms={"none": 1, "model": 1})
    first, second = (simulated(chosen, users=200, seed=5) for _ in range(2))
    assert first == second
    assert simulated(chosen, users=200, seed=6) != first


def test_an_arm_that_lost_users_blocks_the_reading_with_code_3(sample: Path, tmp_path: Path, capsys: Any) -> None:
    rows = pq.read_table(sample / "exposures.parquet").to_pandas()
    lost = rows[~((rows["arm"] == "model") & rows["user_id"].str.endswith("7", na=False))]
    lost.to_parquet(tmp_path / "exposures.parquet")
    places = [f"inputs.{name}.path={sample}/{name}.parquet" for name in ("feedback", "before")]
    sets = [
        option for one in [*places, f"inputs.exposures.path={tmp_path}/exposures.parquet"] for option in ("--set", one)
    ]
    assert job(*sets, "--html", str(sample / "blocked.html"), "--json", str(tmp_path / "figures.json")) == 3
    assert "NOT TO BE READ: users by arm do not fit the weights" in (told := capsys.readouterr().out)
    assert "lift" not in told
    assert json.loads((tmp_path / "figures.json").read_text())["status"] == "blocked"
    page = (sample / "blocked.html").read_text()
    assert "Do not read this experiment" in page.partition("<main>")[0]
    assert page.index("Users by arm") < page.index("<details>") < page.index('<h2><span class="en" lang="en">Effects')


def test_faults_leave_with_code_2_and_all_of_them(tmp_path: Path, capsys: Any) -> None:
    sets = [f"inputs.{name}.path={tmp_path}/{name}" for name in ("exposures", "feedback", "before")]
    assert job(*[option for one in sets for option in ("--set", one)]) == 2
    assert "3 faults in the input tables, nothing was counted" in capsys.readouterr().err
    assert job("--set", "bots.click_shar=1") == 2
    assert "did you mean `click_share`?" in capsys.readouterr().err
    assert job("--set", "control=nobody", "--set", "arms.x=-1") == 2


def test_a_plan_reads_no_table(tmp_path: Path, capsys: Any) -> None:
    assert job("--plan", "--set", f"inputs.exposures.path={tmp_path}/none", "--json", str(tmp_path / "plan.json")) == 0
    plan = json.loads((tmp_path / "plan.json").read_text())["ctr"]["model"]
    assert f"{plan['users_fixed']:,} users for one look at the end" in capsys.readouterr().out
    assert plan["users_fixed"] < plan["users_sequential"]


def test_the_guide_says_how_a_recommender_asks_for_an_arm(monkeypatch: pytest.MonkeyPatch) -> None:
    guide = (ROOT / "docs" / "how-to" / "experiments.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", guide, re.S)
    monkeypatch.setenv("REASONGEN_EXPERIMENT_KEY", "a key of some length")
    monkeypatch.chdir(ROOT)
    names: dict[str, Any] = {"exposures": pa.table({"user_id": ["u0001234"]})}
    exec(example, names)
    assert names["logged"].to_pylist()[0]["arm"] == names["arm"]


def test_what_the_arm_changed_for_worse_is_told_as_worse() -> None:
    metric = {"kind": "report", "per": "exposure", "good": "down", "baseline": 0.1, "lift": 0.5}
    exposures = [shown(f"u{at}", hours=at % 200, arm=("none", "model")[at % 2]) for at in range(2000)]
    feedback = [done(f"e{at}", f"u{at}", "report", at % 200 + 1) for at in range(2000) if at % 4 == 1 or at % 40 == 0]
    figures = figures_of(tables(exposures, feedback), settings(metrics={"reports": metric}))
    assert figures["status"] == "worse"
    page = render_experiment(figures)
    assert "model does worse than none: reports (reports per exposure) +" in page
    assert "May be believed" in page


def test_too_little_is_told_as_too_little_and_a_policy_without_support_as_refused() -> None:
    chosen = settings(policies={"other": {"chooses": {"else": {"other": 1.0}}}})
    exposures = [shown(f"u{at}", arm=("none", "model")[at % 2]) for at in range(20)]
    figures = figures_of(tables(exposures, [done("e", "u1", "click", 1)]), chosen)
    assert figures["status"] == "few"
    assert figures["policies"]["other"]["refused"] == ["no_support"]
    page = render_experiment(figures)
    assert "too few users or events to tell ctr (clicks per exposure) apart" in page
    assert "it chooses what the logs never show" in page


def test_only_what_is_sure_at_any_look_is_told_as_found() -> None:
    effect = Effect("ctr", "b", 0.06, 0.07, 0.01, 0.17, p=0.001, p_holm=0.002, p_always=0.05, p_always_holm=0.1)
    found = [told(replace(effect, p_always_holm=p), "up", 0.05)["finding"] for p in (None, 0.1, 0.04)]
    assert found == ["few", "open", "better"]


def test_a_holdout_that_nobody_logs_is_not_missed_and_one_that_is_logged_is_an_arm() -> None:
    chosen = settings(holdout=0.5)
    exposures = [shown(f"u{at}", hours=at / 9, arm=("none", "model")[at % 2]) for at in range(400)]
    feedback = [done(f"e{at}", f"u{at}", "click", at / 9) for at in range(0, 400, 3)]
    alone = figures_of(tables(exposures, feedback), chosen)
    assert alone["status"] == "open"
    assert "–" in render_experiment(alone)
    exposures += [shown(f"h{at}", arm="holdout") for at in range(400)]
    logged = figures_of(tables(exposures, feedback), chosen)
    assert [one["arm"] for one in logged["metrics"]["ctr"]["effects"]] == ["model", "holdout"]
    assert logged["balance"]["fits"]


def test_an_experiment_in_which_nothing_counts_is_blocked_not_a_crash() -> None:
    figures = figures_of(tables([shown("u1", arm="x")], [done("e", "u1", "click", 1)]), settings())
    assert figures["status"] == "blocked"
    assert "Do not read this experiment" in render_experiment(figures)


def test_every_code_and_every_refusal_has_its_words() -> None:
    for function in (coded_exposures, coded_feedback, coded_before):
        listed = re.findall(r"\b([a-z]+_[a-z]+)\b", (function.__doc__ or "").replace("as_of", ""))
        assert [code for code in listed if not known(f"experiment_code.{code}")] == []
    refusals = re.findall(
        r"\b([a-z]+_[a-z]+|heavy)\b", (value_of.__doc__ or "").partition("Refused:")[2].replace("most_weight", "")
    )
    assert len(refusals) == 5
    assert all(known(f"experiment_refused.{code}") for code in refusals)


def test_figures_as_the_page_writes_them() -> None:
    assert (percent(0.0615), percent(None), lift(-0.0512), lift(0.0)) == (
        "6.15\u00a0%",
        "–",
        "−5.1\u00a0%",
        "+0.0\u00a0%",
    )
    assert between((-0.05, 0.1)) == "[−5.0, +10.0\u00a0%]"
    assert [p_value(one) for one in (None, 0.00001, 0.00123, 0.5)] == ["–", "< 0.0001", "0.0012", "0.50"]


@pytest.fixture(scope="module")
def looks(sample: Path) -> dict[str, Any]:
    """What the probe found, by `name language width`; `console`: every line written there. All that folds is open."""
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine")
    figures = json.loads((sample / "figures.json").read_text())
    long = "<script>console.error('told')</script>" + "a_long_name_" * 8
    figures |= {"name": long, "control": long, "arms": {long: figures["arms"]["model"]}}
    figures["balance"]["wanted"] = {long: 1.0}
    for one in figures["metrics"]["ctr"]["effects"]:
        one["arm"] = long
    (sample / "hostile.html").write_text(render_experiment(figures))
    if not (sample / "blocked.html").exists():
        (sample / "blocked.html").write_text(render_experiment(figures | {"status": "blocked"}))
    for name in NAMES:
        text = (sample / f"{name}.html").read_text().replace("<details>", "<details open>")
        (sample / f"probed-{name}.html").write_text(with_probe(text))
    return look(
        sample,
        {f"{name} {language} {width}": (f"probed-{name}.html#{language}", width) for name, language, width in LOOKS},
    )


@pytest.mark.parametrize(("name", "language", "width"), LOOKS)
def test_a_page_fits_and_asks_for_nothing(looks: dict[str, Any], name: str, language: str, width: int) -> None:
    found = looks[f"{name} {language} {width}"]
    assert (found["width"], found["outside"]) == (width, [])
    assert (found["wide"], found["scroll"]) == ([], width)
    assert found["language"] == {"en": "en", "zh": "zh-Hans"}[language]
    assert found["heading"].startswith({"en": "Experiment ", "zh": "实验 "}[language])
    assert len(found["pictures"]) == 8
    assert all(300 < one <= 390 for one in found["pictures"])


def test_no_page_complains_and_none_runs_what_a_setting_says(looks: dict[str, Any]) -> None:
    assert looks["console"] == []
