"""A loop over a cell beside torch's."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from reference import gru, lstm, rnn, unrolled

STEPS, BATCH, INPUTS, HIDDEN = 4, 5, 2, 3
CELLS = [(rnn, "RNNCell"), (lstm, "LSTMCell"), (gru, "GRUCell")]


@pytest.mark.parametrize(("module", "name"), CELLS)
@pytest.mark.parametrize("lead", [(BATCH,), ()])
@pytest.mark.parametrize("given", [True, False])
def test_states_and_gradients_are_torchs(module: ModuleType, name: str, lead: tuple[int, ...], given: bool) -> None:
    rng = np.random.default_rng(0)
    cell = getattr(torch.nn, name)(INPUTS, HIDDEN, dtype=torch.float64)
    params = {key: value.detach().numpy() for key, value in cell.named_parameters()}
    model = getattr(module, name)(INPUTS, HIDDEN)
    count = 2 if name == "LSTMCell" else 1
    x = rng.standard_normal((STEPS, *lead, INPUTS))
    initial = [rng.standard_normal((*lead, HIDDEN)) for _ in range(count)]
    # no gradient from above on the states of the second step
    upstream = [[rng.standard_normal((*lead, HIDDEN)) if t != 1 else None for _ in range(count)] for t in range(STEPS)]

    leaves = [torch.from_numpy(a).requires_grad_() for a in (x, *initial)]
    states: Any = (leaves[1:] if count == 2 else leaves[1]) if given else None
    expected, total = [], torch.zeros((), dtype=torch.float64)
    for t in range(STEPS):
        states = cell(leaves[0][t], states)
        expected.append(states if count == 2 else (states,))
        for state, above in zip(expected[-1], upstream[t], strict=True):
            total = total + (0 if above is None else (state * torch.from_numpy(above)).sum())
    total.backward()  # type: ignore[no-untyped-call]

    after, caches = unrolled.forward(module, model, params, x, initial if given else [None] * count)
    grads = unrolled.backward(module, model, params, caches, upstream)
    for ours, theirs in zip(after, expected, strict=True):
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(a, b.detach().numpy(), rtol=1e-13, atol=1e-14)
    wanted = dict(zip(("input", "hx", "cx"), leaves, strict=False)) if given else {"input": leaves[0]}
    for key, leaf in (wanted | dict(cell.named_parameters())).items():
        assert leaf.grad is not None
        np.testing.assert_allclose(grads[key], leaf.grad.numpy(), rtol=1e-12, atol=1e-13)
    assert grads.keys() == {"input", *("hx", "cx")[:count], *params}


@pytest.mark.parametrize(("module", "name"), CELLS)
def test_states_of_a_wrong_shape_are_refused(module: ModuleType, name: str) -> None:
    model = getattr(module, name)(INPUTS, HIDDEN)
    params = {key: np.zeros(shape) for key, shape in model.parameter_shapes.items()}
    wrong = [np.zeros((BATCH, HIDDEN + 1))] * (2 if name == "LSTMCell" else 1)
    with pytest.raises(RuntimeError, match="hx must have shape"):
        unrolled.forward(module, model, params, np.zeros((STEPS, BATCH, INPUTS)), wrong)


def test_every_step_has_a_gradient_or_none_for_each_state() -> None:
    model = lstm.LSTMCell(INPUTS, HIDDEN)
    params = {key: np.zeros(shape) for key, shape in model.parameter_shapes.items()}
    _, caches = unrolled.forward(lstm, model, params, np.zeros((2, BATCH, INPUTS)), [None, None])
    with pytest.raises(ValueError, match="zip"):
        unrolled.backward(lstm, model, params, caches, [[None, None], [None]])
