"""Assignment and estimates against closed forms, other roads to the same figure, and simulations whose truth is
known."""

from __future__ import annotations

import math
import runpy
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st
from scipy.stats import chi2_contingency, chisquare, norm
from trials import CTR, settings

from reasongen.errors import ConfigError
from reasongen.experiments import Assignment, with_arms
from reasongen.experiments.balance import balance
from reasongen.experiments.effects import Scale, effect_of, holm
from reasongen.experiments.moments import Moments, adjust
from reasongen.experiments.off_policy import Logged, value_of
from reasongen.experiments.planning import plan_of, variance_of
from reasongen.experiments.sequence import always_valid_p, mixture, radius, wanted_information
from reasongen.experiments.settings import MetricSettings, OverlapSettings, PolicySettings

ROOT = Path(__file__).resolve().parent.parent
SECRET = b"sixteen bytes and more"
USERS = [f"user-{number}" for number in range(20_000)]


def assignment(salt: str = "a", holdout_salt: str = "h", secret: bytes = SECRET, **shares: float) -> Assignment:
    return Assignment(salt, holdout_salt, shares or {"none": 0.5, "model": 0.3, "template": 0.2}, secret)


# --- assignment -------------------------------------------------------------------------------------------------------


def test_users_fall_into_arms_as_the_weights_say() -> None:
    found = Counter(assignment().arm_of(user)[0] for user in USERS)
    wanted = [10_000, 6_000, 4_000]
    assert chisquare([found[arm] for arm in ("none", "model", "template")], wanted).pvalue > 0.001


@pytest.mark.parametrize("other", [assignment(salt="b"), assignment(secret=b"another secret of length")])
def test_another_salt_or_secret_draws_anew(other: Assignment) -> None:
    pairs = Counter((assignment().arm_of(user)[0], other.arm_of(user)[0]) for user in USERS)
    arms = ("none", "model", "template")
    assert chi2_contingency([[pairs[one, two] for two in arms] for one in arms]).pvalue > 0.001


def test_the_holdout_stays_while_experiments_change() -> None:
    shares = {"none": 0.45, "model": 0.45, "holdout": 0.1}
    first, second = assignment("a", **shares), assignment("b", **shares)
    kept = [{user for user in USERS if one.arm_of(user)[0] == "holdout"} for one in (first, second)]
    assert kept[0] == kept[1]
    assert 0.09 < len(kept[0]) / len(USERS) < 0.11
    assert first.arm_of(next(iter(kept[0]))) == ("holdout", 0.1)
    arms = Counter(first.arm_of(user)[0] for user in USERS)
    assert abs(arms["none"] - arms["model"]) < 4 * math.sqrt(18_000)


@drawn(st.text(max_size=30), st.lists(st.floats(0.01, 100), min_size=2, max_size=6), st.floats(0, 0.9))
def test_every_user_has_one_arm_and_its_share_as_propensity(user: str, weights: list[float], holdout: float) -> None:
    user = user.encode("utf-8", "replace").decode()
    chosen = settings(arms={f"arm{at}": one for at, one in enumerate(weights)}, control="arm0", holdout=holdout)
    shares = chosen.shares
    one = Assignment(chosen.salt, chosen.holdout_salt, shares, SECRET)
    arm, propensity = one.arm_of(user)
    assert (arm, propensity) == one.arm_of(user)
    assert propensity == shares[arm] > 0
    assert math.isclose(sum(shares.values()), 1)


def test_a_salt_and_a_user_do_not_run_into_another_pair() -> None:
    points = {assignment("ab")._point("ab", "c"), assignment("a")._point("a", "bc")}
    assert len(points) == 2


def test_an_arrow_table_gets_arm_and_propensity_of_each_row() -> None:
    rows = pa.table({"user_id": ["u1", None, "u1", "u2"], "arm": ["x", "x", "x", "x"], "item_id": [1, 2, 3, 4]})
    found = with_arms(rows, assignment()).to_pylist()
    assert [row["item_id"] for row in found] == [1, 2, 3, 4]
    assert [(row["arm"], row["propensity"]) for row in found] == [
        assignment().arm_of("u1"), (None, None), assignment().arm_of("u1"), assignment().arm_of("u2"),
    ]  # fmt: skip
    with pytest.raises(ConfigError, match="wanted a column `user_id`"):
        with_arms(pa.table({"user": ["a"]}), assignment())


def test_a_short_secret_is_refused_and_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REASONGEN_EXPERIMENT_KEY", "tooshort")
    with pytest.raises(ConfigError, match="found 8 bytes") as caught:
        Assignment.of(settings())
    assert "tooshort" not in str(caught.value)
    monkeypatch.setenv("REASONGEN_EXPERIMENT_KEY", SECRET.decode())
    assert Assignment.of(settings()).shares == {"none": 0.5, "model": 0.5}
    assert SECRET.decode() not in repr(Assignment.of(settings()))


# --- estimates --------------------------------------------------------------------------------------------------------


def users_of(arm: int, count: int) -> tuple[Any, Any, Any]:
    """Clicks, exposures and earlier clicks of made-up users, without a generator of random numbers."""
    k = np.arange(count)
    n, x = 1 + (k * 7 + arm) % 11, (k * k * 3 + k * 5) % 7
    y = np.minimum(n, (k * k + 3 * k + arm * (k % 3 == 0)) % 5 + (x > 3))
    return y.astype(float), n.astype(float), x.astype(float)


def both(earlier: bool) -> list[Moments]:
    arms = [users_of(0, 400), users_of(1, 380)]
    return [Moments.of(y, n, x if earlier else None) for y, n, x in arms]


def test_estimates_agree_with_tea_tasting() -> None:
    """tea-tasting 1.14, RatioOfMeans(y, n[, x, one], use_t=False, equal_var=False), over the same users."""
    scale = Scale(1.0, 1.0)
    plain = effect_of("ctr", "b", adjust(*both(False)), scale, alpha=0.05, enough=True)
    assert (plain.control_value, plain.value) == pytest.approx((0.3354166666666667, 0.3365596128464584), rel=1e-12)
    assert plain.fixed == pytest.approx((-0.03916657102820078, 0.04145246338778421), rel=1e-9)
    assert plain.lift_fixed == pytest.approx((-0.11003018681153953, 0.13130431979764823), rel=1e-9)
    assert plain.p == pytest.approx(0.9556817261248832, rel=1e-9)
    less = effect_of("ctr", "b", adjust(*both(True)), scale, alpha=0.05, enough=True)
    assert less.difference == pytest.approx(0.0012277507922912045, rel=1e-4)  # its θ is of both arms as one
    assert less.fixed == pytest.approx((-0.038238143700224596, 0.040693645284807005), abs=1e-6)


def test_the_error_is_that_of_drawing_users_again() -> None:
    y, n, x = users_of(0, 400)
    rng = np.random.default_rng(1)
    rows = rng.integers(0, 400, (4000, 400))
    plain = (y[rows].sum(1) / n[rows].sum(1)).std()
    moments = Moments.of(y, n, x)
    assert float(np.sqrt(moments.spread / moments.users)) == pytest.approx(plain, rel=0.05)


def test_cuped_takes_away_what_the_earlier_count_explains() -> None:
    rng = np.random.default_rng(2)
    taste = rng.normal(0, 1, (2, 200, 500))
    x = taste + rng.normal(0, 0.5, taste.shape)
    y = 10 + taste + rng.normal(0, 0.5, taste.shape)
    n = np.ones_like(y)
    plain = adjust(*(Moments.of(y[arm], n[arm]) for arm in (0, 1)))
    less = adjust(*(Moments.of(y[arm], n[arm], x[arm]) for arm in (0, 1)))
    truth = (1 / 1.25) ** 2  # squared correlation of x and y
    assert float(less.explained.mean()) == pytest.approx(truth, abs=0.01)
    assert less.difference.var() / plain.difference.var() == pytest.approx(1 - truth, rel=0.25)
    assert abs(float(less.difference.mean())) < 4 * math.sqrt((1 - truth) * 2 * 1.25 / 500 / 200)
    assert not plain.explained.any()


def test_a_user_met_often_is_one_user() -> None:
    """Each user's exposures all alike: the error is that of 50 users, not of 5,000 exposures."""
    y = np.repeat([0.0, 100.0], 25)
    moments = Moments.of(y, np.full(50, 100.0))
    assert float(moments.ratio) == 0.5
    assert float(np.sqrt(moments.spread / moments.users)) == pytest.approx(math.sqrt(0.25 / 49))


def test_users_not_seen_count_nowhere() -> None:
    y, n, x = users_of(0, 400)
    seen = np.arange(400) < 250
    some, cut = Moments.of(y, n, x, seen), Moments.of(y[:250], n[:250], x[:250])
    for name in ("users", "means", "covariances"):
        np.testing.assert_allclose(getattr(some, name), getattr(cut, name), rtol=1e-12)


def test_nothing_is_told_where_nothing_varies_or_is_too_little() -> None:
    flat = Moments.of(np.zeros(300), np.ones(300))
    found = effect_of("ctr", "b", adjust(flat, flat), Scale(1.0, 1.0), alpha=0.05, enough=True)
    assert (found.fixed, found.always, found.p, found.lift) == (None, None, None, None)
    few = effect_of("ctr", "b", adjust(*both(False)), Scale(1.0, 1.0), alpha=0.05, enough=False)
    assert (few.fixed, few.lift_always, few.p_always) == (None, None, None)
    assert few.value > 0


@drawn(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_never_makes_p_smaller_and_keeps_its_order(ps: list[float]) -> None:
    made = holm(dict(enumerate(ps)))
    assert all(made[at] >= p for at, p in enumerate(ps))
    order = sorted(range(len(ps)), key=lambda at: ps[at])
    assert [made[at] for at in order] == sorted(made.values())
    assert made[order[0]] == min(1.0, ps[order[0]] * len(ps))


def test_holm_by_hand() -> None:
    assert holm({0: 0.01, 1: 0.04, 2: 0.03}) == pytest.approx({0: 0.03, 1: 0.06, 2: 0.06})


# --- always-valid -----------------------------------------------------------------------------------------------------


@drawn(st.floats(0.01, 10), st.floats(0.05, 50), st.floats(0.001, 0.2))
def test_the_p_of_any_look_is_the_level_at_which_the_interval_touches_0(error: float, r: float, alpha: float) -> None:
    width = radius(np.array(error), r, alpha)
    assert float(always_valid_p(width, np.array(error), r)) == pytest.approx(alpha, rel=1e-6)
    assert float(width) > norm.isf(alpha / 2) * error


def test_the_mixture_is_the_narrowest_at_the_wanted_information() -> None:
    wanted = wanted_information(0.006, alpha=0.05, power=0.8)
    assert wanted == pytest.approx(((1.959964 + 0.841621) / 0.006) ** 2, rel=1e-5)
    error = np.array(wanted**-0.5)
    best = mixture(wanted, 0.05)
    width = [float(radius(error, best * by, 0.05)) for by in (0.5, 0.9, 1.0, 1.1, 2.0)]
    assert min(width) == pytest.approx(width[2], rel=1e-3)
    assert width[0] > width[2] < width[4]


def test_the_interval_against_the_formula_of_the_paper() -> None:
    """Waudby-Smith et al., theorem 2.2: σ sqrt(2 (t ρ² + 1) / (t² ρ²) log(sqrt(t ρ² + 1) / α))."""
    t, sigma, rho, alpha = 700.0, 1.7, 0.05, 0.05
    theirs = sigma * math.sqrt(2 * (t * rho**2 + 1) / (t**2 * rho**2) * math.log(math.sqrt(t * rho**2 + 1) / alpha))
    ours = radius(np.array(sigma / math.sqrt(t)), 1 / (sigma**2 * rho**2), alpha)
    assert float(ours) == pytest.approx(theirs, rel=1e-12)


def test_peeking_finds_too_much_by_one_look_and_not_by_any() -> None:
    """A Brownian motion looked at 400 times, over four decades of information; r is met on the way."""
    rng = np.random.default_rng(3)
    information = np.geomspace(1, 10_000, 400)
    steps = rng.normal(size=(2000, 400)) * np.sqrt(np.diff(information, prepend=0))
    estimate, error = steps.cumsum(1) / information, information**-0.5
    naive = (np.abs(estimate) > norm.isf(0.025) * error).any(1).mean()
    found = (np.abs(estimate) > radius(error, 30.0, 0.05)).any(1).mean()
    assert naive > 0.3
    assert 0.01 < found <= 0.05


# --- users by arm, plan -----------------------------------------------------------------------------------------------


def test_an_arm_that_loses_users_is_seen() -> None:
    fair = balance({"a": 500_000, "b": 500_000}, {"a": 0.5, "b": 0.5})
    lost = balance({"a": 500_000, "b": 495_000}, {"a": 0.5, "b": 0.5})
    assert fair.fits(0.001)
    assert not lost.fits(0.001)
    assert lost.p == pytest.approx(2 * norm.sf(5_000 / math.sqrt(995_000)), rel=1e-6)  # one degree of freedom
    assert lost.wanted == {"a": 497_500, "b": 497_500}


def test_uneven_weights_are_what_is_wanted() -> None:
    assert balance({"a": 9_000, "b": 1_000}, {"a": 0.9, "b": 0.1}).p == 1.0
    assert not balance({"a": 5_000, "b": 5_000}, {"a": 0.9, "b": 0.1}).fits(0.001)


def test_an_arm_nobody_is_in_counts_and_no_user_at_all_blocks() -> None:
    assert not balance({"a": 100}, {"a": 0.5, "b": 0.5}).fits(0.001)
    assert not balance({}, {"a": 0.5, "b": 0.5}).fits(0.001)


def test_a_plan_by_hand() -> None:
    """Users as a share: n an arm = (p (1 - p) + q (1 - q)) (z + z)² / δ², the textbook's."""
    metric = MetricSettings(kind="purchase", per="user", baseline=0.05, lift=0.2)
    found = plan_of(metric, settings(), "model")
    wanted = 2 * (0.05 * 0.95 + 0.06 * 0.94) * (norm.isf(0.025) + norm.ppf(0.8)) ** 2 / 0.01**2
    assert found.users_fixed == math.ceil(wanted)
    assert found.users_sequential > found.users_fixed
    chosen = settings(plan={"users": found.users_fixed})
    assert plan_of(metric, chosen, "model").smallest_fixed == pytest.approx(0.2, rel=1e-3)
    assert plan_of(
        metric, settings(plan={"users": found.users_sequential}), "model"
    ).smallest_sequential == pytest.approx(0.2, rel=1e-3)


def test_a_plan_knows_repeated_users_shares_and_cuped() -> None:
    metric = MetricSettings.model_validate(CTR)
    alone = settings(plan={"exposures_per_user": 1, "same_user": 0.0})
    often = settings(plan={"exposures_per_user": 10, "same_user": 0.05, "explained": 0.5})
    assert variance_of(0.06, metric, alone.plan) == pytest.approx(0.06 * 0.94)
    assert variance_of(0.06, metric, often.plan) == pytest.approx(0.06 * 0.94 * 1.45 / 10 / 2)
    uneven = settings(arms={"none": 9, "model": 1})
    assert plan_of(metric, uneven, "model").users_fixed == pytest.approx(
        plan_of(metric, settings(), "model").users_fixed * (1 / 0.9 + 1 / 0.1) / 4, rel=0.05
    )


# --- off-policy -------------------------------------------------------------------------------------------------------


def logged(rows: list[tuple[int, str, str, float, float]]) -> Logged:
    users, segments, actions, chances, rewards = zip(*rows, strict=True)
    return Logged(
        np.array(users), np.array(segments, object), np.array(actions, object), np.array(chances), np.array(rewards)
    )


EVEN = [(user, "new", "ab"[user // 2 % 2], 0.5, float(user % 8 in (2, 3))) for user in range(400)]
ALWAYS_B = PolicySettings(chooses={"else": {"b": 1.0}})


def test_a_policy_by_hand() -> None:
    """200 of 400 users saw b, half of them clicked: 0.5, and w is 2 or 0."""
    found = value_of(ALWAYS_B, logged(EVEN), OverlapSettings(), level=0.95)
    assert found.refused == ()
    assert {name: one.value for name, one in found.values.items()} == pytest.approx(
        {"ips": 0.5, "snips": 0.5, "dr": 0.5}, abs=0.02
    )
    assert (found.effective, found.most_weight, found.mean_weight) == pytest.approx((200, 2, 1))
    half = norm.isf(0.025) * np.std(np.array([0, 2.0, 0, 0] * 100), ddof=1) / 20
    assert found.values["ips"].high - found.values["ips"].value == pytest.approx(half)


def test_the_doubly_robust_value_is_right_where_the_propensities_or_the_model_are_off() -> None:
    """Its mean of other users' rows is right here, so it stays right under propensities that are wrong by a tenth,
    which IPS does not."""
    rows = [(user, segment, action, chance * 0.9, reward) for user, segment, action, chance, reward in EVEN]
    found = value_of(ALWAYS_B, logged(rows), OverlapSettings(), level=0.95)
    assert abs(found.mean_weight - 1.111) < 0.01
    assert found.values["ips"].value == pytest.approx(0.5 / 0.9)
    assert found.values["dr"].value == pytest.approx(0.5, abs=0.02)


def test_the_mean_that_the_doubly_robust_value_leans_on_is_of_the_other_half() -> None:
    rows = [
        (user, "new", "ab"[user % 3 > 0 or user % 2], (0.5, 0.8)[user % 2], float(user % 2 or user < 4))
        for user in range(30)
    ]
    found = value_of(ALWAYS_B, logged(rows), OverlapSettings(), level=0.95)
    terms = []
    for user, _, action, chance, reward in rows:
        others = [row for row in rows if row[0] % 2 != user % 2]
        whole = sum(row[4] for row in others) / len(others)
        same = [row[4] for row in others if row[2] == "b"]
        q = (sum(same) + 10 * whole) / (len(same) + 10)
        terms.append(q + (action == "b") / chance * (reward - q))
    assert found.values["dr"].value == pytest.approx(sum(terms) / len(terms), rel=1e-12)


@pytest.mark.parametrize(
    ("rows", "policy", "code"),
    [
        (EVEN, PolicySettings(chooses={"else": {"c": 1.0}}), "no_support"),
        (EVEN, PolicySettings(chooses={"new": {"a": 0.5, "c": 0.5}, "else": {"a": 1.0}}), "no_support"),
        ([(u, s, a, 0.25, r) for u, s, a, _, r in EVEN], ALWAYS_B, "weights_off"),
        ([*EVEN, (400, "new", "b", 0.001, 1.0)], ALWAYS_B, "heavy"),
        (
            [(u, s, "b" if u < 8 else "a", 0.02 if u < 8 else 0.98, r) for u, s, _, _, r in EVEN],
            ALWAYS_B,
            "few_effective",
        ),
    ],
)
def test_a_policy_that_the_logs_cannot_tell_is_refused(rows: Any, policy: PolicySettings, code: str) -> None:
    found = value_of(policy, logged(rows), OverlapSettings(), level=0.95)
    assert code in found.refused
    assert found.values == {}


def test_exposures_of_one_user_are_one_cluster() -> None:
    once = value_of(ALWAYS_B, logged(EVEN), OverlapSettings(), level=0.95)
    often = value_of(ALWAYS_B, logged(EVEN * 5), OverlapSettings(), level=0.95)
    for name in ("ips", "snips"):
        assert (often.values[name].low, often.values[name].high) == pytest.approx(
            (once.values[name].low, once.values[name].high)
        )
    assert often.effective == pytest.approx(once.effective)


# --- simulations ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("returning", [False, True])
def test_simulated_experiments_are_read_as_they_are(returning: bool) -> None:
    """The small sister of benchmarks/experiments.py: bounds are those of 400 simulations, three standard errors
    wide."""
    bench = runpy.run_path(str(ROOT / "benchmarks" / "experiments.py"))
    scale, experiments = bench["SCALE"], bench["experiments"]
    holds = bench["holds"]
    null = experiments(400, 500, returning=returning, seed=8)
    fixed = holds(null.difference, 0.0, norm.isf(0.025) * null.error)
    always = holds(null.difference, 0.0, radius(null.error, scale.difference, 0.05))
    assert 0.917 <= fixed[:, -1].mean() <= 0.983
    assert (~fixed.all(1)).mean() > 0.1
    assert (~always.all(1)).mean() <= 0.05
    lift, truth = experiments(400, 500, lift=0.3, returning=returning, seed=9, earlier=True), math.log(1.3)
    held = holds(lift.log_ratio, truth, norm.isf(0.025) * lift.log_error)
    assert 0.917 <= held[:, -1].mean() <= 0.983
    assert holds(lift.log_ratio, truth, radius(lift.log_error, scale.log_ratio, 0.05)).all(1).mean() >= 0.95
