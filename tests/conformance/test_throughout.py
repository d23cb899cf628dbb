"""Divergences said to be there throughout have the gradients that automatic differentiation would give them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from conformance import cases
from conformance.adapters import reference
from conformance.case import Array, Case
from conformance.divergences import Divergence, applied, catalogue
from conformance.trace import Trace
from tests.conformance import observing

FAMILIES = ("rnn", "rnn_packed", "rnn_cell", "lstm", "gru", "linear", "activation", "loss")
OTHERS = {
    *("lstm-coupled-to-the-input-gate", "nonlinearity-sigmoid", "relu-leaking-0.01", "batch-first-by-reshape"),
    *(
        "lstm-gates-in-order-ifog",
        "lstm-gates-in-order-iofg",
        "lstm-gates-in-order-figo",
        "lstm-gates-in-order-igfo",
        "lstm-gates-in-order-gifo",
    ),
    *("gru-gates-in-order-zrn", "lstm-forget-bias-1", "lstm-states-exchanged-at-every-step"),
    *("forward-parameters-for-both-directions", "initial-states-not-sorted-along", "mask-one-step-too-long"),
    "results-unsorted-by-the-sorting-order",
    *("softmax-over-the-first-axis", "softmax-over-the-last-axis", "softmax-over-the-whole-array"),
    *("log-softmax-over-the-last-axis", "mse-halved", "mse-root", "mse-of-absolute-differences"),
}
CONSISTENT = [known for known in catalogue() if known.id.endswith("-throughout") or known.id in OTHERS]
STEP, ACCURACY = 1e-6, 1e-8
ROUNDING = 2.0**-55
"""of the longdouble in which both are computed, with room for some operations"""


def _consistent(divergence: Divergence) -> Iterator[tuple[str, bool]]:
    """For cases in which it changes a gradient: the id, and whether the gradients are those of its own results."""
    for family in FAMILIES:
        for case in cases.select(families=[family], dtypes=["float64"], level="quick"):
            if not _consists(case, []):  # at a kink, or not finite
                continue
            right, wrong = observing.run(case, []), observing.run(case, [divergence])
            if right is None or wrong is None or not _changes(right, wrong):
                continue
            yield case.id, _consists(case, [divergence])


def _changes(right: Trace, wrong: Trace) -> bool:
    return any(name.startswith("grad.") and observing.differs(wrong[name], right[name]) for name in right)


def _consists(case: Case, divergences: list[Divergence]) -> bool:
    """Whether the gradients give the directional derivative of the results along a random direction."""
    wide = case.astype(np.dtype(np.longdouble))
    with applied(divergences), np.errstate(all="ignore"):
        trace = getattr(reference, case.family)(wide)
        rng = np.random.default_rng(0)
        along = {
            name.removeprefix("grad."): rng.standard_normal(a.shape).astype(wide.dtype)
            for name, a in trace.items()
            if name.startswith("grad.") and a.dtype.kind == "f"
        }
        if not along.keys() <= wide.arrays.keys():
            return False
        ahead, behind = (_weighted(_moved(wide, along, step)) for step in (STEP, -STEP))
        blur = ROUNDING * max(abs(float(ahead)), abs(float(behind))) / STEP
        products = [trace[f"grad.{name}"] * direction for name, direction in along.items()]
        expected, size = (float(sum(map(np.sum, parts))) for parts in (products, map(np.abs, products)))
        measured = float(ahead - behind) / (2 * STEP)
    return bool(np.isfinite(measured) and abs(measured - expected) <= ACCURACY * size + blur)


def _moved(case: Case, along: dict[str, Array], step: float) -> Case:
    moved = {name: np.asarray(case[name] + np.longdouble(step) * direction) for name, direction in along.items()}
    return replace(case, arrays={**case.arrays, **moved})


def _weighted(case: Case) -> np.longdouble:
    """What the upstream gradients are those of: the results weighted by them, and summed."""
    trace = getattr(reference, case.family)(case)
    upstream = {name: re.sub(r"(^|\.)(?=\w+$)", r"\1d_", name) for name in trace}  # step1.d_h of a cell's step1.h
    return np.longdouble(sum(np.sum(case[d] * trace[name]) for name, d in upstream.items() if d in case))


@pytest.mark.parametrize("divergence", CONSISTENT, ids=lambda known: known.id)
def test_throughout_means_gradient_included(divergence: Divergence) -> None:
    found = dict(_consistent(divergence))
    assert found, "no case shows it"
    assert [name for name, consistent in found.items() if not consistent] == []


@pytest.mark.parametrize("name", ["weight-hh-transposed", "gru-candidate-sigmoid", "derivative-missing"])
def test_one_pass_alone_is_not_consistent(name: str) -> None:
    found = dict(_consistent(next(known for known in catalogue() if known.id == name)))
    assert found
    assert not all(found.values())
