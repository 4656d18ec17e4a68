"""What a plan says a night would cost."""

from __future__ import annotations

from typing import Any

import pytest

from reasongen.pipeline.estimating import estimate

ASKED: dict[str, Any] = {"model": "m", "device": "cpu", "pairs": 500, "measured": {"contract": 3.0}}


def night(prompts: int, generate: float) -> dict[str, Any]:
    """A row of `runs`; half of its pairs were judged again."""
    return {
        "run_id": f"run-{prompts}",
        "model_version": "m",
        "device": "cpu",
        "prompts": {"generated": prompts},
        "pairs": {"published": prompts, "kept": prompts},
        "tokens_in": 20 * prompts,
        "tokens_out": 10 * prompts,
        "seconds": {"generate": generate, "judge": 0.02 * prompts, "gate": 4.0, "review": 1.0},
    }


def test_nights_of_two_sizes_tell_what_a_stage_costs_at_least() -> None:
    """Loading the model takes five seconds, and a hundred prompts a second are made."""
    told = estimate([night(1000, 15.0), night(100, 6.0)], prompts=500, **ASKED)
    assert told is not None
    assert told.seconds == pytest.approx({"contract": 3.0, "generate": 10.0, "judge": 10.0, "gate": 4.0, "review": 1.0})
    assert (told.tokens_in, told.tokens_out, told.nights) == (10_000, 5_000, ["run-1000", "run-100"])


@pytest.mark.parametrize("past", [[(1000, 15.0)], [(1000, 15.0), (900, 13.5)], [(1000, 1.0), (100, 6.0)]])
def test_else_it_goes_in_proportion(past: list[tuple[int, float]]) -> None:
    told = estimate([night(*one) for one in past], prompts=500, **ASKED)
    assert told is not None
    rates = sorted(seconds / prompts for prompts, seconds in past)
    assert told.seconds["generate"] == pytest.approx(500 * (rates[0] + rates[-1]) / 2)


@pytest.mark.parametrize("other", [{"model_version": "n"}, {"device": "cuda"}, {"prompts": {"generated": 0}}])
def test_nights_of_another_model_or_device_or_without_a_prompt_tell_nothing(other: dict[str, Any]) -> None:
    assert estimate([night(1000, 15.0) | other], prompts=500, **ASKED) is None
