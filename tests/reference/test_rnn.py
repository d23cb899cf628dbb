"""The recurrent network against torch.nn.RNN, and against derivatives that need no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch

from reference import rnn
from reference.checks import Array
from tests.reference.against_torch import (
    assert_all_close,
    assert_close,
    assert_refused,
    assert_same_refusal,
    frozen,
    leaf,
    tensor,
)

LAYOUTS: dict[str, Callable[[Array], Array]] = {
    "contiguous": np.ascontiguousarray,
    "transposed": np.asfortranarray,
    "strided": lambda a: np.repeat(a, 2, axis=-1)[..., ::2],
    "reversed": lambda a: a[::-1].copy()[::-1],
}
NETWORKS = list(product((1, 2, 3), (False, True), ("tanh", "relu")))


@dataclass(frozen=True)
class Setup:
    """A network and one run of it; ``batch`` is None for a single, two-dimensional sequence."""

    model: rnn.RNN
    steps: int
    batch: int | None
    with_h_0: bool = True
    upstream: tuple[str, ...] = ("d_output", "d_h_n")

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of all arrays of the run, as torch documents them."""
        model, batch = self.model, () if self.batch is None else (self.batch,)
        directions = 2 if model.bidirectional else 1
        sequence = (*batch, self.steps) if model.batch_first else (self.steps, *batch)
        states = (model.num_layers * directions, *batch, model.hidden_size)
        shapes = {"input": (*sequence, model.input_size)}
        shapes |= {"h_0": states} if self.with_h_0 else {}
        upstream = {"d_output": (*sequence, directions * model.hidden_size), "d_h_n": states}
        return shapes | {name: upstream[name] for name in self.upstream} | model.parameter_shapes

    def arrays(self, rng: np.random.Generator, dtype: Any = np.float64, layout: str = "contiguous") -> dict[str, Array]:
        """Random, write-protected arrays for the run."""
        draw = {name: 0.6 * rng.standard_normal(shape) for name, shape in self.shapes().items()}
        return {name: frozen(LAYOUTS[layout](value.astype(dtype))) for name, value in draw.items()}


def random_setup(model_options: tuple[int, bool, str], rng: np.random.Generator) -> Setup:
    """Everything else at random, the smallest sizes included."""
    num_layers, bidirectional, nonlinearity = model_options
    model = rnn.RNN(
        input_size=int(rng.choice([1, 2, 3])),
        hidden_size=int(rng.choice([1, 2, 4])),
        num_layers=num_layers,
        nonlinearity=nonlinearity,
        bias=bool(rng.integers(2)),
        batch_first=bool(rng.integers(2)),
        bidirectional=bidirectional,
    )
    batches, upstreams = (None, 0, 1, 3), (("d_output",), ("d_h_n",), ("d_output", "d_h_n"))
    return Setup(
        model, int(rng.choice([1, 2, 5])), batches[rng.integers(4)], bool(rng.integers(2)), upstreams[rng.integers(3)]
    )


def run_reference(setup: Setup, arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Outputs and gradients under the names that torch's run has."""
    params = {name: arrays[name] for name in setup.model.parameter_shapes}
    output, h_n, cache = rnn.forward(setup.model, params, arrays["input"], arrays.get("h_0"))
    grads = rnn.backward(setup.model, params, cache, arrays.get("d_output"), arrays.get("d_h_n"))
    if "h_0" not in arrays:
        del grads["h_0"]
    return {"output": output, "h_n": h_n} | grads


def torch_module(model: rnn.RNN, arrays: Mapping[str, Any]) -> Any:
    """torch.nn.RNN with the arrays' parameters."""
    options = {name: getattr(model, name) for name in ("num_layers", "nonlinearity", "bias", "batch_first")}
    module = torch.nn.RNN(model.input_size, model.hidden_size, bidirectional=model.bidirectional, **options)
    state = {name: tensor(arrays[name]) for name in model.parameter_shapes}
    module.to(next(iter(state.values())).dtype).load_state_dict(state)
    return module


def run_torch(setup: Setup, arrays: Mapping[str, Array]) -> dict[str, Any]:
    """Outputs and gradients by autograd."""
    module = torch_module(setup.model, arrays)
    sources = {name: leaf(arrays[name]) for name in ("input", "h_0") if name in arrays}
    output, h_n = module(*sources.values())
    upstream = [(out, arrays[name]) for name, out in (("d_output", output), ("d_h_n", h_n)) if name in arrays]
    torch.autograd.backward([out for out, _ in upstream], [tensor(value) for _, value in upstream])
    leaves = dict(module.named_parameters()) | sources
    return {"output": output, "h_n": h_n} | {name: value.grad for name, value in leaves.items()}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("network", NETWORKS)
def test_outputs_and_gradients_are_those_of_torch(network: tuple[int, bool, str], layout: str) -> None:
    rng = np.random.default_rng([NETWORKS.index(network), *layout.encode()])
    for _ in range(12):
        setup = random_setup(network, rng)
        arrays = setup.arrays(rng, layout=layout)
        assert_all_close(run_reference(setup, arrays), run_torch(setup, arrays), f"{setup}:")


@pytest.mark.parametrize("network", NETWORKS)
def test_other_dtypes_come_out_as_they_go_in(network: tuple[int, bool, str]) -> None:
    rng = np.random.default_rng(NETWORKS.index(network))
    setup = random_setup(network, rng)
    arrays = setup.arrays(rng, np.float32)
    assert_all_close(run_reference(setup, arrays), run_torch(setup, arrays), tolerance=1e-5)

    wide = {name: value.astype(np.longdouble) for name, value in arrays.items()}
    expected = run_torch(setup, {name: value.astype(np.float64) for name, value in arrays.items()})
    results = run_reference(setup, wide)
    assert_all_close(results, {name: v.detach().numpy().astype(np.longdouble) for name, v in expected.items()})


@pytest.mark.filterwarnings("ignore:Complex modules")
@pytest.mark.parametrize("dtype", [np.float64, np.complex128])
def test_complex_forward(dtype: Any) -> None:
    rng = np.random.default_rng(7)
    setup = Setup(rnn.RNN(2, 3, num_layers=2, bidirectional=True), steps=4, batch=5, upstream=())
    arrays = {name: value.astype(np.complex128) for name, value in setup.arrays(rng, dtype).items()}
    if dtype is np.complex128:
        arrays = {name: value + 0.1j * rng.standard_normal(value.shape) for name, value in arrays.items()}
    output, h_n, cache = rnn.forward(setup.model, arrays_of(setup.model, arrays), arrays["input"], arrays["h_0"])
    expected = torch_module(setup.model, arrays)(tensor(arrays["input"]), tensor(arrays["h_0"]))
    assert_all_close({"output": output, "h_n": h_n}, dict(zip(("output", "h_n"), expected, strict=True)))
    # a complex gradient would need conjugates: refused rather than wrong
    assert_refused(lambda: rnn.backward(setup.model, arrays_of(setup.model, arrays), cache), RuntimeError, "float64")


def arrays_of(model: rnn.RNN, arrays: Mapping[str, Array]) -> dict[str, Array]:
    """The parameters among the arrays."""
    return {name: arrays[name] for name in model.parameter_shapes}


def loss(setup: Setup, arrays: Mapping[str, Array]) -> Any:
    """The scalar whose gradients the upstream arrays define."""
    output, h_n, _ = rnn.forward(setup.model, arrays_of(setup.model, arrays), arrays["input"], arrays["h_0"])
    return (output * arrays["d_output"]).sum() + (h_n * arrays["d_h_n"]).sum()


DERIVATIVE_SETUPS = [
    Setup(rnn.RNN(3, 4, num_layers, nonlinearity, bidirectional=bidirectional), steps=4, batch=2)
    for num_layers, bidirectional, nonlinearity in NETWORKS
]


@pytest.mark.parametrize("setup", [setup for setup in DERIVATIVE_SETUPS if setup.model.nonlinearity == "tanh"])
def test_gradients_of_tanh_networks_by_complex_step(setup: Setup) -> None:
    """f(x + ih) = f(x) + ih f'(x) - ...: with h = 1e-100 the imaginary part is the derivative, to the last digits."""
    arrays = setup.arrays(np.random.default_rng(11))
    complex_arrays = {name: value.astype(np.complex128) for name, value in arrays.items()}
    grads = run_reference(setup, arrays)
    for name in ("input", "h_0", *setup.model.parameter_shapes):
        derivative = np.empty_like(arrays[name])
        for index in np.ndindex(derivative.shape):
            moved = complex_arrays[name].copy()
            moved[index] += 1e-100j
            derivative[index] = loss(setup, complex_arrays | {name: moved}).imag / 1e-100
        assert_close(grads[name], derivative, name)


@pytest.mark.parametrize("setup", [setup for setup in DERIVATIVE_SETUPS if setup.model.nonlinearity == "relu"])
def test_gradients_of_relu_networks_by_finite_differences(setup: Setup) -> None:
    """Between its kinks such a network is a polynomial, so a central difference is off by order step^2 only."""
    rng, step = np.random.default_rng(13), np.longdouble(2.0**-20)
    arrays = setup.arrays(rng, np.longdouble)
    grads = run_reference(setup, arrays)
    for name in ("input", "h_0", *setup.model.parameter_shapes):
        # all components of the direction are at least 1, or a wrong gradient could hide in a small one
        direction = rng.choice([-1, 1], arrays[name].shape) * (1 + rng.random(arrays[name].shape))
        ahead, behind = (loss(setup, arrays | {name: arrays[name] + s * direction}) for s in (step, -step))
        difference, slope = (ahead - behind) / (2 * step), (grads[name] * direction).sum()
        assert abs(difference - slope) <= 1e-9 * np.abs(grads[name] * direction).sum(), name
        assert np.any(grads[name] != 0), name


@pytest.mark.parametrize("network", NETWORKS)
def test_arguments_left_out_are_zeros(network: tuple[int, bool, str]) -> None:
    rng = np.random.default_rng(NETWORKS.index(network))
    num_layers, bidirectional, nonlinearity = network
    setup = Setup(rnn.RNN(2, 3, num_layers, nonlinearity, bidirectional=bidirectional), 4, 5, with_h_0=False)
    arrays = setup.arrays(rng)
    params = arrays_of(setup.model, arrays)
    h_0 = np.zeros((num_layers * (2 if bidirectional else 1), 5, 3))
    without, with_zeros = (rnn.forward(setup.model, params, arrays["input"], h) for h in (None, h_0))
    grads, expected = (
        rnn.backward(setup.model, params, cache, arrays["d_output"], arrays["d_h_n"])
        for cache in (without[2], with_zeros[2])
    )
    assert_all_close(grads, expected, tolerance=0)
    zero_grads = rnn.backward(setup.model, params, without[2])
    assert zero_grads.keys() == grads.keys()
    assert not any(np.any(value) for value in zero_grads.values())


def test_backward_leaves_its_cache_usable() -> None:
    setup = Setup(rnn.RNN(2, 3, num_layers=2, bidirectional=True, batch_first=True), steps=4, batch=5)
    arrays = setup.arrays(np.random.default_rng(3))
    params = arrays_of(setup.model, arrays)
    output, h_n, cache = rnn.forward(setup.model, params, arrays["input"], arrays["h_0"])
    before = output.copy(), h_n.copy()
    first, second = (rnn.backward(setup.model, params, cache, arrays["d_output"], arrays["d_h_n"]) for _ in range(2))
    assert_all_close(second, first, tolerance=0)
    np.testing.assert_array_equal(output, before[0])
    np.testing.assert_array_equal(h_n, before[1])
    # an optimizer that works in place must not find two names for one array
    assert not np.shares_memory(first["bias_ih_l0"], first["bias_hh_l0"])


@pytest.mark.parametrize("network", NETWORKS)
def test_an_empty_batch_has_zero_gradients(network: tuple[int, bool, str]) -> None:
    num_layers, bidirectional, nonlinearity = network
    setup = Setup(rnn.RNN(2, 3, num_layers, nonlinearity, bidirectional=bidirectional), steps=4, batch=0)
    arrays = setup.arrays(np.random.default_rng(5))
    results = run_reference(setup, arrays)
    assert_all_close(results, run_torch(setup, arrays))
    for name, shape in setup.model.parameter_shapes.items():
        np.testing.assert_array_equal(results[name], np.zeros(shape))


def test_relu_selects_at_zero() -> None:
    """With zero weights every pre-activation is exactly 0: no gradient passes, an infinite one included."""
    setup = Setup(rnn.RNN(2, 3, nonlinearity="relu"), steps=4, batch=5)
    arrays = {name: np.zeros_like(value) for name, value in setup.arrays(np.random.default_rng(5)).items()}
    arrays["d_output"] = np.full_like(arrays["d_output"], np.inf)
    results = run_reference(setup, arrays)
    assert_all_close(results, run_torch(setup, arrays))
    assert not any(np.any(value) for value in results.values())


@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_special_values_spread_as_in_torch(nonlinearity: str, value: float) -> None:
    setup = Setup(rnn.RNN(2, 3, nonlinearity=nonlinearity), steps=4, batch=5, upstream=())
    arrays = setup.arrays(np.random.default_rng(17))
    # weights of one sign, so that no sum depends on the order in which infinities cancel
    arrays = {name: np.abs(array) for name, array in arrays.items()}
    arrays["input"][1, 2] = value
    with np.errstate(over="ignore", invalid="ignore"):
        output, h_n, _ = rnn.forward(setup.model, arrays_of(setup.model, arrays), arrays["input"], arrays["h_0"])
    expected = torch_module(setup.model, arrays)(tensor(arrays["input"]), tensor(arrays["h_0"]))
    assert_all_close({"output": output, "h_n": h_n}, dict(zip(("output", "h_n"), expected, strict=True)))


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_parameters_are_torchs_state_dict(bias: bool, bidirectional: bool) -> None:
    options: dict[str, Any] = {"num_layers": 2, "bias": bias, "bidirectional": bidirectional}
    expected = {name: tuple(value.shape) for name, value in torch.nn.RNN(2, 3, **options).state_dict().items()}
    assert list(rnn.RNN(2, 3, **options).parameter_shapes.items()) == list(expected.items())


# ------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("options", "mentions"),
    [
        ({"input_size": "2"}, "int"),
        ({"input_size": 2.0}, "int"),
        ({"hidden_size": 3.0}, "int"),
        ({"hidden_size": None}, "int"),
        ({"hidden_size": True}, "int"),
        ({"num_layers": 1.5}, "int"),
        ({"input_size": 0}, "greater than zero"),
        ({"input_size": -1}, "greater than zero"),
        ({"hidden_size": 0}, "greater than zero"),
        ({"hidden_size": -2}, "greater than zero"),
        ({"num_layers": 0}, "greater than zero"),
        ({"num_layers": -1}, "greater than zero"),
        ({"nonlinearity": "sigmoid"}, "'tanh' or 'relu'"),
        ({"nonlinearity": "TANH"}, "'tanh' or 'relu'"),
        ({"nonlinearity": None}, "'tanh' or 'relu'"),
        ({"bias": 1}, "bool"),
        ({"bias": "yes"}, "bool"),
        ({"batch_first": 1}, "bool"),
        ({"dropout": -0.1}, "[0, 1]"),
        ({"dropout": 1.1}, "[0, 1]"),
        ({"dropout": float("nan")}, "[0, 1]"),
        ({"dropout": True}, "[0, 1]"),
        ({"dropout": "half"}, "[0, 1]"),
    ],
)
def test_wrong_constructor_arguments(options: dict[str, Any], mentions: str) -> None:
    arguments: dict[str, Any] = {"input_size": 2, "hidden_size": 3} | options
    assert_same_refusal(lambda: torch.nn.RNN(**arguments), lambda: rnn.RNN(**arguments), mentions)


def test_dropout_without_a_second_layer_warns() -> None:
    for constructor in (torch.nn.RNN, rnn.RNN):
        with pytest.warns(UserWarning, match="dropout"):
            constructor(2, 3, num_layers=1, dropout=0.5)


def zeros(*shape: int, dtype: Any = np.float64) -> Array:
    return np.zeros(shape, dtype)


MODEL = rnn.RNN(2, 3)
PARAMS = {name: zeros(*shape) for name, shape in MODEL.parameter_shapes.items()}


@pytest.mark.parametrize(
    ("x", "h_0", "mentions"),
    [
        (zeros(), None, "2-D or 3-D"),
        (zeros(2), None, "2-D or 3-D"),
        (zeros(1, 4, 5, 2), None, "2-D or 3-D"),
        (zeros(3, dtype=np.float32), None, "2-D or 3-D"),
        (zeros(4, 5, 3), None, "expected 2"),
        (zeros(4, 3), None, "expected 2"),
        (zeros(4, 5, 2, dtype=np.float32), None, "float64"),
        (zeros(4, 5, 2, dtype=np.int64), None, "float64"),
        (zeros(4, 5, 3, dtype=np.float32), None, "float64"),
        (zeros(0, 5, 2), None, "larger than 0"),
        (zeros(0, 2), None, "larger than 0"),
        (zeros(0, 0, 2), None, "larger than 0"),
        ([[0.0, 0.0]], None, "array"),
        (None, None, "array"),
        (zeros(4, 5, 2), zeros(1, 5, 4), "(1, 5, 3)"),
        (zeros(4, 5, 2), zeros(1, 4, 3), "(1, 5, 3)"),
        (zeros(4, 5, 2), zeros(2, 5, 3), "(1, 5, 3)"),
        (zeros(4, 5, 2), zeros(5, 1, 3), "(1, 5, 3)"),
        (zeros(4, 5, 2), zeros(1, 3), "(1, 5, 3)"),
        (zeros(4, 5, 2), zeros(3), "(1, 5, 3)"),
        (zeros(4, 2), zeros(1, 1, 3), "(1, 3)"),
        (zeros(4, 2), zeros(2, 3), "(1, 3)"),
        (zeros(4, 0, 2), zeros(1, 1, 3), "(1, 0, 3)"),
        (zeros(4, 5, 2), zeros(1, 5, 3, dtype=np.float32), "float64"),
        (zeros(4, 5, 2), [[[0.0]]], "array"),
    ],
)
def test_wrong_inputs(x: Any, h_0: Any, mentions: str) -> None:
    module = torch_module(MODEL, PARAMS)
    assert_same_refusal(lambda: module(tensor(x), tensor(h_0)), lambda: rnn.forward(MODEL, PARAMS, x, h_0), mentions)


@pytest.mark.parametrize(
    ("change", "mentions"),
    [
        ({"weight_hh_l0": None}, "weight_hh_l0"),
        ({"weight_ih_l1": zeros(3, 3)}, "weight_ih_l1"),
        ({"weight_hh_l0": zeros(2, 2)}, "(3, 3)"),
        ({"bias_ih_l0": zeros(1, 3)}, "(3,)"),
    ],
)
def test_wrong_parameter_names_and_shapes(change: dict[str, Any], mentions: str) -> None:
    wrong = {name: value for name, value in (PARAMS | change).items() if value is not None}
    module, cache = torch_module(MODEL, PARAMS), rnn.forward(MODEL, PARAMS, zeros(4, 5, 2))[2]
    for in_reference in (
        lambda: rnn.forward(MODEL, wrong, zeros(4, 5, 2)),
        lambda: rnn.backward(MODEL, wrong, cache),
    ):
        assert_same_refusal(
            lambda: module.load_state_dict({name: tensor(value) for name, value in wrong.items()}),
            in_reference,
            mentions,
        )


def test_wrong_parameter_types() -> None:
    module = torch_module(MODEL, PARAMS)
    narrow = zeros(3, 3, dtype=np.float32)

    def mixed_in_torch() -> None:
        module.weight_hh_l0 = torch.nn.Parameter(tensor(narrow))
        module(torch.zeros(4, 5, 2, dtype=torch.float64))

    assert_same_refusal(
        mixed_in_torch, lambda: rnn.forward(MODEL, PARAMS | {"weight_hh_l0": narrow}, zeros(4, 5, 2)), "float64"
    )
    no_array: Any = [[0.0] * 3] * 3
    assert_same_refusal(
        lambda: setattr(module, "weight_hh_l0", no_array),
        lambda: rnn.forward(MODEL, PARAMS | {"weight_hh_l0": no_array}, zeros(4, 5, 2)),
        "array",
    )
    integers = {name: value.astype(np.int64) for name, value in PARAMS.items()}
    assert_same_refusal(
        lambda: torch.nn.RNN(2, 3, dtype=torch.int64),
        lambda: rnn.forward(MODEL, integers, zeros(4, 5, 2, dtype=np.int64)),
        "float64",
    )


@pytest.mark.parametrize(
    ("batch", "name", "upstream", "mentions"),
    [
        (5, "d_output", zeros(4, 5, 2), "(4, 5, 3)"),
        (5, "d_output", zeros(5, 4, 3), "(4, 5, 3)"),
        (5, "d_output", zeros(5, 3), "(4, 5, 3)"),
        (5, "d_h_n", zeros(2, 5, 3), "(1, 5, 3)"),
        (5, "d_h_n", zeros(5, 3), "(1, 5, 3)"),
        (5, "d_output", [0.0], "array"),
        (5, "d_h_n", "ones", "array"),
        (None, "d_output", zeros(4, 1, 3), "(4, 3)"),
        (None, "d_h_n", zeros(1, 1, 3), "(1, 3)"),
    ],
)
def test_wrong_upstream_gradients(batch: int | None, name: str, upstream: Any, mentions: str) -> None:
    x = zeros(4, 2) if batch is None else zeros(4, batch, 2)
    outputs = dict(zip(("d_output", "d_h_n"), torch_module(MODEL, PARAMS)(tensor(x)), strict=True))
    cache = rnn.forward(MODEL, PARAMS, x)[2]
    assert_same_refusal(
        lambda: torch.autograd.backward([outputs[name]], [tensor(upstream)]),
        lambda: rnn.backward(MODEL, PARAMS, cache, **{name: upstream}),
        mentions,
    )


@pytest.mark.parametrize(
    "upstream", [{"d_output": zeros(4, 5, 3, dtype=np.float32)}, {"d_h_n": zeros(1, 5, 3, dtype=int)}]
)
def test_an_upstream_gradient_of_another_dtype_is_refused(upstream: dict[str, Array]) -> None:
    """torch casts it; here a float32 gradient in a float64 network is taken for a mistake."""
    cache = rnn.forward(MODEL, PARAMS, zeros(4, 5, 2))[2]
    assert_refused(lambda: rnn.backward(MODEL, PARAMS, cache, **upstream), RuntimeError, "float64")
