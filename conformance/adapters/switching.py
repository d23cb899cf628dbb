"""Runs of an optimizer that change sides: one side makes the first steps, the other goes on with what it saved."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from conformance.case import Case
from conformance.trace import Trace


def run(
    case: Case, until_switch: Callable[[Case], tuple[Trace, Any]], from_switch: Callable[[Case, Any], Trace]
) -> Trace:
    """The trace of both sides together.

    Args:
        until_switch: the steps up to ``switch_after``: their trace, and what is handed over.
        from_switch: what has arrived, as parameters and state of that same step, and the steps after it.

    Where torch comes first its own steps are left out: they would be compared with themselves.
    """
    before, handed_over = until_switch(case)
    after = from_switch(case, handed_over)
    if case.config["first"] == "torch":
        return after
    return before | {name: value for name, value in after.items() if name not in before}


def beside_torch(case: Case) -> Trace:
    """The reference and torch, in the order that the case asks for.

    In a wider float, or with rounding at random, torch cannot take part: there the reference's own function for the
    family goes on with what it saved itself.
    """
    from conformance.adapters import pytorch_optimizers, reference_optimizers  # torch takes seconds to import

    if case.config["first"] == "torch":
        return run(case, pytorch_optimizers.until_switch, reference_optimizers.from_switch)
    return run(case, reference_optimizers.until_switch, pytorch_optimizers.from_switch)
