"""The line at the head of a page: what the night came to, in plain words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reasongen.report.collect import Facts
from reasongen.report.nights import ENDS, PUT_BACK, Night, Row, funnel, gate_of, reasons_of
from reasongen.report.words import Said, joined, say, span


def lead(facts: Facts) -> list[Said]:
    """Sentences, the first the most important. Every status has its own; a rollback since then is told behind."""
    return [*_of_the_run(facts), *([_rollback(facts.night)] if facts.night.rollback else [])]


def _rollback(night: Night) -> Said:
    row = night.rollback
    assert row is not None
    told = {"at": f"{row['started_at']:%Y-%m-%d %H:%M}", "night": row["night"]}
    if row["night"] != night.night:
        return say("lead.rolled_back_to", **told)
    left = sum(count for name, count in row["pairs"].items() if name.startswith("left_out."))
    return say("lead.put_back", left=left, **told)


def _of_the_run(facts: Facts) -> list[Said]:
    run = facts.run
    if run is None:
        return [say("lead.missing", stand=_stand(facts))]
    if PUT_BACK in run["pairs"]:
        counts = {name: run["pairs"].get(name, 0) for name in (PUT_BACK, "kept", "removed")}
        return [say("lead.rollback", **counts)]
    if run["status"] == "started":
        return [say("lead.started", at=f"{run['started_at']:%Y-%m-%d %H:%M}", stand=_stand(facts))]
    if run["status"] == "refused":
        checks = gate_of(run)
        failed = [check for check in checks if check["verdict"] == "refused"]
        told = say("lead.refused", checks=len(failed), all=len(checks), stand=_stand(facts))
        return [told, *map(_check, failed), *([] if reasons_of(run) else [_empty(run)])]
    if not reasons_of(run):
        return [_empty(run)]
    candidates, reasons = run["pairs"]["candidates"], reasons_of(run)
    if run["status"] == "unchanged":
        return [say("lead.unchanged", reasons=reasons, candidates=candidates)]
    ways = joined([say(f"lead.way_{name}", n=made) for name in ENDS if (made := run["pairs"].get(name, 0))])
    head = say("lead.published", reasons=reasons, candidates=candidates)
    time, tokens = span(sum(run["seconds"].values())), run["tokens_in"] + run["tokens_out"]
    first = say("lead.sentence", head=head, ways=ways, lost=_lost(run))
    warned = [check for check in gate_of(run) if check["verdict"] == "warned"]
    warnings = [say("lead.warned", n=len(warned)), *map(_check, warned)] if warned else []
    return [first, say("lead.cost", time=time, tokens=tokens), *warnings]


def _check(check: Mapping[str, Any]) -> Said:
    return say("lead.check", name=say(f"checks.{check['name']}"), wanted=check["wanted"], found=check["found"])


def _stand(facts: Facts) -> Said:
    reasons, newest = facts.stand
    return say("lead.stand", reasons=reasons, newest=newest) if reasons else say("lead.stand_none")


def _empty(run: Row) -> Said:
    return say("lead.empty", candidates=run["pairs"].get("candidates", 0), why=_why(run))


def _lost(run: Row) -> Said:
    lost = run["pairs"]["candidates"] - reasons_of(run)
    return say("lead.lost", lost=lost, why=_why(run)) if lost else say("lead.lost_none")


def _why(run: Row) -> Said:
    """The largest loss, in words."""
    losses = [step for step in funnel(run) if step.kind == "loss"]
    most = max(losses, key=lambda step: step.count, default=None)
    return say("lead.why", code=say(f"codes.{most.code}"), n=most.count) if most else say("page.none")
