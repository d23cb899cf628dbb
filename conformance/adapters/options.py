"""What the configuration of an optimizer's case says, for all adapters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from conformance.case import Case

NOT_OPTIONS = ("groups", "objective", "steps", "switch_after", "first")
"""what a configuration says beside the algorithm and its options"""


def options_of(case: Case) -> dict[str, Any]:
    """The algorithm of an optimizer's case, and the options that its constructor is given."""
    return {key: value for key, value in case.config.items() if key not in NOT_OPTIONS}


def constructor_arguments(config: Mapping[str, Any]) -> dict[str, Any]:
    """What a configuration's algorithm is made with; JSON has no tuples, and torch's pairs are tuples."""
    return {key: tuple(v) if isinstance(v, list) else v for key, v in config.items() if key != "algorithm"}


def groups_of(case: Case) -> list[tuple[dict[str, Any], list[str]]]:
    """Each group's own options, and the names of its parameters."""
    groups = case.config["groups"]
    return [({key: value for key, value in group.items() if key != "params"}, group["params"]) for group in groups]


def last_step(case: Case) -> int:
    """How many steps an optimizer's case has."""
    last: int = case.config.get("steps", case.steps)
    return last
