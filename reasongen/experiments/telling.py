"""The figures of an experiment, and a plan, as lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reasongen.experiments.planning import Plan

FIRST = {
    "blocked": "NOT TO BE READ: users by arm do not fit the weights (p = {p:.2g}). Find what loses users first.",
    "few": "too few users or events to tell",
    "open": "no difference is sure yet",
    "better": "better than {control}",
    "worse": "worse than {control}",
    "mixed": "one arm better, one worse than {control}",
}


def lines(figures: Mapping[str, Any]) -> Iterator[str]:
    """What was found; a table for each metric; users by arm; policies; what was left out."""
    found = figures["balance"]
    first = next(iter(figures["metrics"]))
    status = FIRST[figures["status"]].format(p=found["p"] or 0.0, control=figures["control"])
    yield f"{figures['name']}: {status if figures['status'] == 'blocked' else f'{first}: {status}'}"
    yield f"  {figures['days']} days from {figures['first_day']}, feedback until {figures['as_of']}"
    p = "–" if found["p"] is None else f"{found['p']:.3g}"
    users = ", ".join(f"{arm} {count:,} of {found['wanted'][arm]:,.0f} wanted" for arm, count in found["users"].items())
    yield f"  users by arm: {users}; p = {p}"
    if figures["status"] != "blocked":
        for name, metric in figures["metrics"].items():
            yield from _metric(name, metric, figures["level"])
        for name, policy in figures["policies"].items():
            yield _policy(name, policy)
    for table, codes in figures["codes"].items():
        yield f"  {table}: " + ", ".join(f"{code} {count:,}" for code, count in codes.items())


def plan_lines(plans: Mapping[str, Mapping[str, Plan]], metrics: Mapping[str, Any], users: int) -> Iterator[str]:
    """Users needed and the smallest lift that would be seen, by metric and arm."""
    for name, by_arm in plans.items():
        metric = metrics[name]
        yield f"{name}: {metric.baseline:.2%} expected, a lift of {metric.lift:.0%} wanted"
        for arm, plan in by_arm.items():
            yield (
                f"  {arm}: {plan.users_fixed:,} users for one look at the end, {plan.users_sequential:,} for looking at"
                f" any time; {users:,} users show a lift of {plan.smallest_fixed:.1%} / {plan.smallest_sequential:.1%}"
            )


def _metric(name: str, metric: Mapping[str, Any], level: float) -> Iterator[str]:
    yield f"  {name} ({metric['kind']} per {metric['per']}), intervals at {level:.0%}"
    for one in metric["effects"]:
        values = f"{_share(one['control_value'])} → {_share(one['value'])}"
        told = (
            f"lift {_lift(one['lift'])} {_bounds(one['lift_fixed'])} one look, {_bounds(one['lift_always'])} any look"
        )
        p = "–" if one["p_always_holm"] is None else f"{one['p_always_holm']:.3g}"
        yield f"    {one['arm']}: {values}; {told}; p (any look, Holm) {p}; {one['finding']}"


def _policy(name: str, policy: Mapping[str, Any]) -> str:
    if policy["refused"]:
        return f"  policy {name}: refused ({', '.join(policy['refused'])})"
    told = ", ".join(
        f"{estimator} {_share(one['value'])} [{_share(one['low'])}, {_share(one['high'])}]"
        for estimator, one in policy["values"].items()
    )
    return f"  policy {name}: {told}; {policy['effective']:,.0f} of {policy['users']:,} users in effect"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.2f} %"


def _lift(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:+.1f} %"


def _bounds(bounds: Any) -> str:
    return "[–]" if bounds is None else f"[{_lift(bounds[0])}, {_lift(bounds[1])}]"
