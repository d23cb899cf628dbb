"""The recurrent cells against torch's, over several steps, and what they refuse."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch

from reference import gru, lstm, rnn
from reference.checks import Array
from tests.reference.against_torch import assert_all_close, assert_refused, assert_same_refusal, frozen, leaf, tensor


@dataclass(frozen=True)
class Kind:
    """A cell in both libraries."""

    model: Any
    module: Any
    torch_class: Any
    states: tuple[str, ...]

    def step(self, model: Any, params: Mapping[str, Array], x: Array, states: list[Any]) -> tuple[list[Array], Any]:
        """The reference's new states and cache."""
        *new, cache = self.module.cell_forward(model, params, x, *states)
        return new, cache

    def back(
        self, model: Any, params: Mapping[str, Array], cache: Any, d_states: list[Any]
    ) -> tuple[dict[str, Array], list[Array]]:
        """The reference's gradients, those of the states apart."""
        grads = self.module.cell_backward(model, params, cache, *d_states)
        return grads, [grads.pop(f"{name}x") for name in self.states]


KINDS = {
    "RNNCell": Kind(rnn.RNNCell, rnn, torch.nn.RNNCell, ("h",)),
    "LSTMCell": Kind(lstm.LSTMCell, lstm, torch.nn.LSTMCell, ("h", "c")),
    "GRUCell": Kind(gru.GRUCell, gru, torch.nn.GRUCell, ("h",)),
}
CONFIGURATIONS: list[tuple[str, dict[str, Any]]] = [
    ("RNNCell", {}),
    ("RNNCell", {"bias": False}),
    ("RNNCell", {"nonlinearity": "relu"}),
    ("RNNCell", {"nonlinearity": "relu", "bias": False}),
    ("LSTMCell", {}),
    ("LSTMCell", {"bias": False}),
    ("GRUCell", {}),
    ("GRUCell", {"bias": False}),
]


def module_of(kind: Kind, model: Any, params: Mapping[str, Array], options: dict[str, Any]) -> Any:
    module = kind.torch_class(model.input_size, model.hidden_size, **options)
    state = {name: tensor(value) for name, value in params.items()}
    module.to(next(iter(state.values())).dtype).load_state_dict(state)
    return module


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("batch", [None, 0, 1, 3])
@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize(("name", "options"), CONFIGURATIONS)
def test_three_steps_and_their_gradients_are_those_of_torch(
    name: str, options: dict[str, Any], given: bool, batch: int | None, dtype: Any
) -> None:
    kind, rng = KINDS[name], np.random.default_rng(5)
    model = kind.model(2, 4, **options)
    lead = () if batch is None else (batch,)
    params = {key: frozen(0.6 * rng.standard_normal(s).astype(dtype)) for key, s in model.parameter_shapes.items()}
    x = frozen(rng.standard_normal((3, *lead, 2)).astype(dtype))
    starts = [frozen(rng.standard_normal((*lead, 4)).astype(dtype)) for _ in kind.states] if given else []
    upstream = [[frozen(rng.standard_normal((*lead, 4)).astype(dtype)) for _ in kind.states] for _ in x]

    states: list[Any] = list(starts) or [None] * len(kind.states)
    caches: list[Any] = []
    actual: dict[str, Any] = {}
    for t in range(3):
        states, cache = kind.step(model, params, x[t], states)
        caches.append(cache)
        actual |= {f"{state}{t}": value for state, value in zip(kind.states, states, strict=True)}
    carried: list[Array] = [np.zeros_like(value) for value in states]
    total = {key: np.zeros_like(value) for key, value in params.items()}
    d_input = np.empty_like(x)
    for t in reversed(range(3)):
        d_states = [c + d for c, d in zip(carried, upstream[t], strict=True)]
        grads, carried = kind.back(model, params, caches[t], d_states)
        d_input[t] = grads.pop("input")
        total = {key: total[key] + grads[key] for key in total}
    actual |= (
        total | {"input": d_input} | ({f"{s}x": c for s, c in zip(kind.states, carried, strict=True)} if given else {})
    )

    module, x_leaf, leaves = module_of(kind, model, params, options), leaf(x), [leaf(value) for value in starts]
    state: Any = None if not given else leaves[0] if len(leaves) == 1 else tuple(leaves)
    expected: dict[str, Any] = {}
    outputs: list[Any] = []
    for t in range(3):
        state = module(x_leaf[t], state)
        both = [state] if isinstance(state, torch.Tensor) else list(state)
        outputs += both
        expected |= {f"{s}{t}": value for s, value in zip(kind.states, both, strict=True)}
    torch.autograd.backward(outputs, [tensor(d) for step in upstream for d in step])
    expected |= {key: value.grad for key, value in module.named_parameters()} | {"input": x_leaf.grad}
    expected |= {f"{s}x": value.grad for s, value in zip(kind.states, leaves, strict=False)}
    assert_all_close(actual, expected, tolerance=1e-13 if dtype == np.float64 else 1e-5)


@pytest.mark.parametrize("name", KINDS)
def test_a_size_of_zero_is_allowed_as_in_torch(name: str) -> None:
    kind = KINDS[name]
    for sizes in ((0, 3), (2, 0)):
        model = kind.model(*sizes)
        params = {key: np.zeros(shape) for key, shape in model.parameter_shapes.items()}
        states, cache = kind.step(model, params, np.ones((5, sizes[0])), [None] * len(kind.states))
        expected = module_of(kind, model, params, {})(torch.ones(5, sizes[0], dtype=torch.float64))
        expected = [expected] if isinstance(expected, torch.Tensor) else expected
        for state, value in zip(states, expected, strict=True):
            assert state.shape == tuple(value.shape)
        grads, _ = kind.back(model, params, cache, [np.ones_like(state) for state in states])
        assert {key: value.shape for key, value in grads.items()} == model.parameter_shapes | {"input": (5, sizes[0])}


# ------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize(
    ("options", "mentions"),
    [
        ({"input_size": -1}, "negative"),
        ({"hidden_size": -2}, "negative"),
        ({"input_size": 2.0}, "int"),
        ({"input_size": "2"}, "int"),
        ({"hidden_size": 3.0}, "int"),
        ({"hidden_size": None}, "int"),
    ],
)
def test_wrong_sizes(name: str, options: dict[str, Any], mentions: str) -> None:
    arguments: dict[str, Any] = {"input_size": 2, "hidden_size": 3} | options
    kind = KINDS[name]
    assert_same_refusal(lambda: kind.torch_class(**arguments), lambda: kind.model(**arguments), mentions)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("bias", [1, 0, None, "no"])
def test_a_bias_is_there_if_what_is_given_is_true(name: str, bias: Any) -> None:
    kind = KINDS[name]
    assert list(kind.model(2, 3, bias=bias).parameter_shapes) == list(kind.torch_class(2, 3, bias=bias).state_dict())


def zeros(*shape: int, dtype: Any = np.float64) -> Array:
    return np.zeros(shape, dtype)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize(
    ("x", "hx", "mentions"),
    [
        (zeros(), None, "1-D or 2-D"),
        (zeros(1, 5, 2), None, "1-D or 2-D"),
        (zeros(5, 3), None, "expected 2"),
        (zeros(3), None, "expected 2"),
        (zeros(5, 2, dtype=np.float32), None, "float64"),
        (zeros(5, 2, dtype=np.int64), None, "float64"),
        (zeros(2, dtype=np.float32), None, "float64"),
        (zeros(5, 2), zeros(5, 4), "(5, 3)"),
        (zeros(5, 2), zeros(4, 3), "(5, 3)"),
        (zeros(5, 2), zeros(1, 3), "(5, 3)"),
        (zeros(5, 2), zeros(3), "(5, 3)"),
        (zeros(5, 2), zeros(5), "(5, 3)"),
        (zeros(2), zeros(1, 3), "(3,)"),
        (zeros(2), zeros(5, 3), "(3,)"),
        (zeros(2), zeros(4), "(3,)"),
        (zeros(2), zeros(), "1-D or 2-D"),
        (zeros(5, 2), zeros(1, 5, 3), "1-D or 2-D"),
        (zeros(5, 3), zeros(5, 1, 4), "1-D or 2-D"),
        (zeros(5, 2), zeros(5, 3, dtype=np.float32), "float64"),
        ([0.0, 0.0], None, "array"),
        (None, None, "array"),
        (zeros(5, 2), [[0.0]], "array"),
    ],
)
def test_wrong_inputs(name: str, x: Any, hx: Any, mentions: str) -> None:
    kind = KINDS[name]
    model = kind.model(2, 3)
    params = {key: zeros(*shape) for key, shape in model.parameter_shapes.items()}
    module, count = module_of(kind, model, params, {}), len(kind.states)
    state = None if hx is None else tensor(hx) if count == 1 else (tensor(hx),) * count
    assert_same_refusal(lambda: module(tensor(x), state), lambda: kind.step(model, params, x, [hx] * count), mentions)


def test_an_unknown_nonlinearity_is_refused_when_the_cell_runs() -> None:
    model, module = rnn.RNNCell(2, 3, nonlinearity="sigmoid"), torch.nn.RNNCell(2, 3, nonlinearity="sigmoid").double()
    params = {key: zeros(*shape) for key, shape in model.parameter_shapes.items()}
    assert_same_refusal(
        lambda: module(tensor(zeros(5, 2))), lambda: rnn.cell_forward(model, params, zeros(5, 2)), "'tanh' or 'relu'"
    )


@pytest.mark.parametrize("name", KINDS)
def test_wrong_upstream_gradients(name: str) -> None:
    kind = KINDS[name]
    model = kind.model(2, 3)
    params = {key: zeros(*shape) for key, shape in model.parameter_shapes.items()}
    states, cache = kind.step(model, params, zeros(5, 2), [None] * len(kind.states))
    outputs = module_of(kind, model, params, {})(tensor(zeros(5, 2)))
    h = outputs if isinstance(outputs, torch.Tensor) else outputs[0]
    for wrong in (zeros(5, 2), zeros(3), zeros(1, 5, 3)):
        d_states = [wrong, *(np.zeros_like(state) for state in states[1:])]
        assert_same_refusal(
            lambda wrong=wrong: torch.autograd.backward([h], [tensor(wrong)]),  # type: ignore[misc]
            lambda d=d_states: kind.back(model, params, cache, d),  # type: ignore[misc]
            "(5, 3)",
        )


@pytest.mark.parametrize("name", KINDS)
def test_an_upstream_gradient_that_is_left_out_is_0(name: str) -> None:
    kind = KINDS[name]
    model, rng = kind.model(2, 3), np.random.default_rng(0)
    params = {key: rng.standard_normal(shape) for key, shape in model.parameter_shapes.items()}
    states, cache = kind.step(model, params, rng.standard_normal((5, 2)), [None] * len(kind.states))
    given = kind.module.cell_backward(model, params, cache, *(np.zeros_like(state) for state in states))
    assert_all_close(kind.module.cell_backward(model, params, cache), given)


@pytest.mark.parametrize("name", KINDS)
def test_complex_numbers_go_forward_only(name: str) -> None:
    """A complex gradient would need conjugates: refused rather than wrong."""
    kind = KINDS[name]
    model = kind.model(2, 3)
    params = {key: np.full(shape, 0.5j) for key, shape in model.parameter_shapes.items()}
    states, cache = kind.step(model, params, np.ones((5, 2), complex), [None] * len(kind.states))
    assert states[0].dtype == np.complex128
    assert_refused(lambda: kind.back(model, params, cache, [np.ones_like(states[0])]), RuntimeError, "complex128")


def test_relu_of_complex_numbers_is_refused() -> None:
    model = rnn.RNNCell(2, 3, nonlinearity="relu")
    params = {key: np.ones(shape, complex) for key, shape in model.parameter_shapes.items()}
    assert_refused(lambda: rnn.cell_forward(model, params, np.ones((5, 2), complex)), RuntimeError, "complex128")


def test_gradients_and_states_of_an_lstm_cell_that_are_left_out() -> None:
    rng = np.random.default_rng(5)
    model = lstm.LSTMCell(2, 4)
    params = {name: rng.standard_normal(shape) for name, shape in model.parameter_shapes.items()}
    x, d, zeros = rng.standard_normal((3, 2)), rng.standard_normal((3, 4)), np.zeros((3, 4))
    _, _, cache = lstm.cell_forward(model, params, x)
    assert_all_close(lstm.cell_backward(model, params, cache, d), lstm.cell_backward(model, params, cache, d, zeros))
    assert_all_close(
        lstm.cell_backward(model, params, cache, d_c=d), lstm.cell_backward(model, params, cache, zeros, d)
    )
    # without hx, cx is looked at all the same
    module = module_of(KINDS["LSTMCell"], model, params, {})
    assert_same_refusal(
        lambda: module(tensor(x), (torch.zeros(3, 4, dtype=torch.float64), torch.zeros(1, 3, 4, dtype=torch.float64))),
        lambda: lstm.cell_forward(model, params, x, None, zeros[None]),
        "cx",
    )
