"""Implementations that share nothing with the reference: right, they agree; with a mistake, it is named."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from conformance.matching import Observation
from tests.conformance import handwritten, observing

MISTAKES: dict[str, dict[str, set[str]]] = {
    "rnn": {
        "transposed": {"weight-hh-transposed-throughout"},
        "one bias": {"recurrent-bias-ignored-throughout"},
        "direction by direction": {"initial-states-in-direction-order"},
        "always tanh": {"nonlinearity-always-tanh"},
        "wrong end": {"reverse-final-state-from-the-wrong-end-throughout"},
        "derivative without square": {"derivative-without-square"},
        "state after the step": {"hh-gradient-uses-current-state"},
        "detached every five steps": {"truncated-after-5"},
        "mean over the batch": {"batch-mean"},
    },
    "lstm": {
        "states ignored": {"lstm-initial-cell-ignored", "lstm-initial-state-ignored"},
        "forget bias": {"lstm-forget-bias-1"},
        "candidate": {"lstm-candidate-sigmoid-throughout"},
        "coupled": {"lstm-coupled-to-the-input-gate"},
        "cell gradient assigned": {"lstm-cell-gradient-overwritten"},
        "cell after the step": {"lstm-forget-gradient-uses-current-cell"},
        "mean over the steps": {"sequence-mean"},
    },
    "gru": {
        "reset before the product": {"gru-reset-before-the-product-throughout"},
        "update gate": {"gru-update-gate-reversed-throughout"},
        "reset gate forgotten": {"gru-reset-gate-not-in-the-hidden-gradient"},
        "state after the step": {"gru-hh-gradient-uses-current-state"},
        "direct path": {"gru-direct-path-missing-in-backward"},
    },
    "loss": {
        "softmax first": {"cross-entropy-of-softmax-throughout"},
        "guarded": {"cross-entropy-log-of-p-plus-1e-7"},
        "gradient of the sum": {"cross-entropy-gradient-summed"},
        "classes in the mean": {"cross-entropy-mean-of-classes-too"},
        "bits": {"cross-entropy-in-bits-throughout"},
        "upstream ignored": {"cross-entropy-upstream-ignored"},
    },
    "optimizer": {
        "one count for all": {"missing-gradient-counted"},
        "rate inside the velocity": {"sgd-rate-inside-velocity", "rmsprop-rate-inside-momentum"},
        "velocity as an average": {"sgd-momentum-as-average"},
        "epsilon inside the root": {
            *("adam-epsilon-inside-root", "rmsprop-epsilon-inside-root", "adagrad-epsilon-inside-root"),
        },
        "epsilon before bias correction": {"adam-epsilon-hat"},
        "decay coupled": {"adamw-decay-coupled"},
        "decay decoupled": {"sgd-weight-decay-decoupled"},
        "squares added": {"rmsprop-squares-summed"},
        "squares not added": {"adagrad-squares-not-accumulated"},
        "decayed at once": {"adagrad-rate-decay-one-step-ahead"},
    },
}


def _observed(family: str, dtype: str, mistake: str) -> Iterator[Observation]:
    for case in observing.selected(family, dtype, "quick"):
        right = observing.right(family, dtype, "quick")[case.id]
        try:
            with np.errstate(all="ignore"):
                trace = getattr(handwritten, family)(case, mistake)
        except NotImplementedError:
            continue
        actual = {name: np.asarray(array, right[name].dtype) for name, array in trace.items()}
        assert all(array.shape == right[name].shape for name, array in actual.items())
        yield Observation(case, actual, any(observing.differs(array, right[name]) for name, array in actual.items()))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("family", MISTAKES)
def test_without_a_mistake_they_are_right(family: str, dtype: str) -> None:
    observed = list(_observed(family, dtype, ""))
    assert observed
    assert [seen.case.id for seen in observed if seen.diverges] == []


@pytest.mark.parametrize(
    ("family", "mistake", "dtype"),
    [
        (family, mistake, dtype)
        for family, mistakes in MISTAKES.items()
        for mistake in mistakes
        for dtype in ("float64", "float32")
        if (mistake, dtype) != ("guarded", "float32")  # 1e-7 is rounding there
    ],
)
def test_a_mistake_is_named(family: str, mistake: str, dtype: str) -> None:
    found = observing.diagnose(family, list(_observed(family, dtype, mistake)), dtype)
    assert found.complete
    assert [set(members) for members in found.sets] == [MISTAKES[family][mistake]]
