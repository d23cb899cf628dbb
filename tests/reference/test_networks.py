"""LSTM and GRU, and for all recurrent networks sequences of different lengths and dropout, against torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from torch.utils._python_dispatch import TorchDispatchMode

from reference import gru, lstm, rnn
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

MODULES: dict[str, Any] = {"RNN": rnn, "LSTM": lstm, "GRU": gru}
NETWORKS: list[tuple[str, dict[str, Any]]] = [
    ("RNN", {}),
    ("RNN", {"nonlinearity": "relu"}),
    ("LSTM", {}),
    ("LSTM", {"proj_size": 2}),
    ("GRU", {}),
]
FULL = {"num_layers": 2, "bidirectional": True}

pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")


@dataclass(frozen=True)
class Setup:
    """A network and the shapes of one run; ``batch`` None is a single sequence."""

    kind: str
    options: dict[str, Any]
    batch: int | None = 3
    steps: int = 5

    @property
    def model(self) -> Any:
        return getattr(MODULES[self.kind], self.kind)(2, 4, **self.options)

    @property
    def states(self) -> list[str]:
        return ["h", "c"] if self.kind == "LSTM" else ["h"]

    def arrays(self, rng: np.random.Generator, dtype: Any = np.float64) -> dict[str, Array]:
        """Random, write-protected arrays in the shapes that torch documents."""
        directions = 2 if self.options.get("bidirectional") else 1
        many = () if self.batch is None else (self.batch,)
        lead = (*many, self.steps) if self.options.get("batch_first") else (self.steps, *many)
        layers, out = self.options.get("num_layers", 1) * directions, self.options.get("proj_size") or 4
        sizes = {"h": out, "c": 4}
        shapes: dict[str, tuple[int, ...]] = {"input": (*lead, 2), "d_output": (*lead, directions * out)}
        for state in self.states:
            shapes |= {f"{state}_0": (layers, *many, sizes[state]), f"d_{state}_n": (layers, *many, sizes[state])}
        shapes |= self.model.parameter_shapes
        return {name: frozen((0.6 * rng.standard_normal(shape)).astype(dtype)) for name, shape in shapes.items()}

    def masks(self, rng: np.random.Generator) -> Array:
        """Dropout masks, scaled."""
        model, many = self.model, () if self.batch is None else (self.batch,)
        lead = (*many, self.steps) if model.batch_first else (self.steps, *many)
        features = (2 if model.bidirectional else 1) * (getattr(model, "proj_size", 0) or 4)
        kept = rng.random((model.num_layers - 1, *lead, features)) >= model.dropout
        return frozen(kept / (1 - model.dropout))


def run_reference(setup: Setup, arrays: Mapping[str, Array], **options: Any) -> dict[str, Array]:
    model, module = setup.model, MODULES[setup.kind]
    params = {name: arrays[name] for name in model.parameter_shapes}
    initial = [arrays.get(f"{state}_0") for state in setup.states]
    output, *finals, cache = module.forward(model, params, arrays["input"], *initial, **options)
    upstream = [arrays.get(f"d_{state}_n") for state in setup.states]
    grads = module.backward(model, params, cache, arrays.get("d_output"), *upstream)
    results: dict[str, Array] = {"output": output} | dict(grads)
    return results | {f"{s}_n": v for s, v in zip(setup.states, finals, strict=True)}


class Draws(TorchDispatchMode):
    """Keeps the masks that torch draws."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.drawn: list[torch.Tensor] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func is torch.ops.aten.bernoulli_.float:
            self.drawn.append(result.clone())
        return result


def run_torch(
    setup: Setup, arrays: Mapping[str, Array], lengths: Array | None = None, *, enforce_sorted: bool = False, **how: Any
) -> tuple[dict[str, Any], list[torch.Tensor]]:
    """Outputs and gradients by autograd, and the dropout masks that torch drew."""
    module = getattr(torch.nn, setup.kind)(2, 4, **setup.options)
    state = {name: tensor(arrays[name]) for name in setup.model.parameter_shapes}
    module.to(state["weight_ih_l0"].dtype).load_state_dict(state)
    module.train(how.get("training", True))
    sources = {name: leaf(arrays[name]) for name in ("input", *(f"{state}_0" for state in setup.states))}
    x, *initial = sources.values()
    signal: Any = x
    batch_first = setup.options.get("batch_first", False)
    if lengths is not None:
        signal = pack_padded_sequence(x, tensor(lengths), batch_first, enforce_sorted)
    torch.manual_seed(0)
    with Draws() as draws:
        output, final = module(signal, initial[0] if len(initial) == 1 else tuple(initial))
    if lengths is not None:
        output, _ = pad_packed_sequence(output, batch_first, total_length=setup.steps)
    finals = [final] if isinstance(final, torch.Tensor) else list(final)
    upstream = [tensor(arrays[name]) for name in ("d_output", *(f"d_{state}_n" for state in setup.states))]
    torch.autograd.backward([output, *finals], upstream)
    leaves = dict(module.named_parameters()) | sources
    outputs = {"output": output} | {f"{s}_n": v for s, v in zip(setup.states, finals, strict=True)}
    return outputs | {name: value.grad for name, value in leaves.items()}, draws.drawn


def setups(**more: Any) -> Iterator[Setup]:
    """Every network with every combination of layers, directions, biases and layout."""
    for (kind, own), layers, bidirectional, bias, batch_first in product(
        NETWORKS, (1, 2, 3), (False, True), (True, False), (False, True)
    ):
        options = {"num_layers": layers, "bidirectional": bidirectional, "bias": bias, "batch_first": batch_first}
        yield Setup(kind, own | options, **more)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("batch", [None, 0, 1, 3])
def test_outputs_and_gradients_are_those_of_torch(batch: int | None, dtype: Any) -> None:
    rng = np.random.default_rng(1)
    for setup in setups(batch=batch):
        arrays = setup.arrays(rng, dtype)
        tolerance = 1e-13 if dtype == np.float64 else 1e-5
        assert_all_close(run_reference(setup, arrays), run_torch(setup, arrays)[0], f"{setup}:", tolerance)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_lengths_are_torchs_packed_sequences(dtype: Any) -> None:
    rng = np.random.default_rng(2)
    for setup in setups(batch=4):
        arrays = setup.arrays(rng, dtype)
        lengths = frozen(rng.integers(1, 6, 4))
        expected, _ = run_torch(setup, arrays, lengths)
        actual = run_reference(setup, arrays, lengths=lengths, enforce_sorted=False)
        assert_all_close(actual, expected, f"{setup} {lengths}:", 1e-13 if dtype == np.float64 else 1e-5)
        decreasing = frozen(np.sort(lengths)[::-1].copy())
        expected, _ = run_torch(setup, arrays, decreasing, enforce_sorted=True)
        actual = run_reference(setup, arrays, lengths=decreasing)
        assert_all_close(actual, expected, f"{setup} {decreasing}:", 1e-13 if dtype == np.float64 else 1e-5)


@pytest.mark.parametrize(("kind", "own"), NETWORKS)
def test_padding_takes_no_part_whatever_it_holds(kind: str, own: dict[str, Any]) -> None:
    setup, lengths = Setup(kind, own | FULL), np.array([2, 5, 3])
    arrays = setup.arrays(np.random.default_rng(3))
    expected = run_reference(setup, arrays, lengths=lengths, enforce_sorted=False)
    for value in (np.nan, np.inf, 1e300):
        padded = {name: arrays[name].copy() for name in ("input", "d_output")}
        for sequence, length in enumerate(lengths):
            padded["input"][length:, sequence] = padded["d_output"][length:, sequence] = value
        actual = run_reference(setup, arrays | padded, lengths=lengths, enforce_sorted=False)
        assert_all_close(actual, expected, tolerance=0)
    for sequence, length in enumerate(lengths):
        for name in ("output", "input"):
            assert not np.any(expected[name][length:, sequence])
            assert np.any(expected[name][:length, sequence])


@pytest.mark.parametrize(("kind", "own"), NETWORKS)
def test_a_batch_of_lengths_is_its_sequences_one_by_one(kind: str, own: dict[str, Any]) -> None:
    setup, lengths = Setup(kind, own | FULL), (2, 5, 3)
    arrays = setup.arrays(np.random.default_rng(4))
    together = run_reference(setup, arrays, lengths=np.array(lengths), enforce_sorted=False)
    total = {name: np.zeros(shape) for name, shape in setup.model.parameter_shapes.items()}
    for sequence, length in enumerate(lengths):
        one = {name: array if name in total else array[:, sequence : sequence + 1] for name, array in arrays.items()}
        one |= {name: one[name][:length] for name in ("input", "d_output")}
        alone = run_reference(setup, one)
        for name in ("output", "input"):
            assert_close(together[name][:length, sequence], alone[name][:, 0], name)
        for name in (f"{state}_{end}" for state in setup.states for end in "0n"):
            assert_close(together[name][:, sequence], alone[name][:, 0], name)
        total = {name: total[name] + alone[name] for name in total}
    assert_all_close({name: together[name] for name in total}, total)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize(("kind", "own"), NETWORKS)
def test_training_with_the_masks_that_torch_drew(
    kind: str, own: dict[str, Any], batch_first: bool, packed: bool
) -> None:
    options = own | {"num_layers": 3, "bidirectional": True, "dropout": 0.3, "batch_first": batch_first}
    setup = Setup(kind, options)
    arrays = setup.arrays(np.random.default_rng(5))
    lengths = np.array([5, 3, 2]) if packed else None
    expected, drawn = run_torch(setup, arrays, lengths, enforce_sorted=True)
    assert len(drawn) == 2
    masks = []
    for draw in drawn:
        kept = draw
        if lengths is not None:
            packing = pack_padded_sequence(torch.zeros(5, 3, 1), tensor(lengths))
            kept, _ = pad_packed_sequence(packing._replace(data=draw))
        masks.append(kept.numpy().swapaxes(0, 1) if batch_first else kept.numpy())
    scaled = np.stack(masks) / (1 - 0.3)
    assert 0 < np.count_nonzero(scaled) < scaled.size
    actual = run_reference(setup, arrays, lengths=lengths, dropout_masks=scaled)
    assert_all_close(actual, expected)


@pytest.mark.parametrize("dropout", [0.5, 1.0])
@pytest.mark.parametrize(("kind", "own"), NETWORKS)
def test_dropout_has_no_effect_in_evaluation(kind: str, own: dict[str, Any], dropout: float) -> None:
    setup, without = Setup(kind, own | FULL | {"dropout": dropout}), Setup(kind, own | FULL)
    arrays = setup.arrays(np.random.default_rng(6))
    expected, drawn = run_torch(setup, arrays, training=False)
    assert not drawn
    actual = run_reference(setup, arrays)
    assert_all_close(actual, expected)
    assert_all_close(actual, run_reference(without, arrays), tolerance=0)


def test_a_dropout_of_1_lets_nothing_through() -> None:
    setup = Setup("RNN", {"num_layers": 2, "dropout": 1.0})
    arrays = setup.arrays(np.random.default_rng(7))
    expected, _ = run_torch(setup, arrays)
    assert_all_close(run_reference(setup, arrays, dropout_masks=np.zeros((1, 5, 3, 4))), expected)


@pytest.mark.parametrize("lengths", [None, (2, 4, 3)])
@pytest.mark.parametrize(("kind", "own"), [entry for entry in NETWORKS if "nonlinearity" not in entry[1]])
def test_gradients_by_complex_step(kind: str, own: dict[str, Any], lengths: tuple[int, ...] | None) -> None:
    """f(x + ih) = f(x) + ih f'(x) - ...: with h = 1e-100 the imaginary part is the derivative, to the last digits."""
    setup = Setup(kind, own | FULL | {"dropout": 0.4}, steps=4)
    rng = np.random.default_rng(8)
    arrays, masks = setup.arrays(rng), setup.masks(rng)
    options = {} if lengths is None else {"lengths": np.array(lengths), "enforce_sorted": False}
    grads = run_reference(setup, arrays, dropout_masks=masks, **options)
    complex_arrays = {name: value.astype(np.complex128) for name, value in arrays.items()}
    params = setup.model.parameter_shapes

    def loss(moved: Mapping[str, Array]) -> Any:
        initial = [moved[f"{state}_0"] for state in setup.states]
        output, *finals, _ = MODULES[kind].forward(
            setup.model,
            {name: moved[name] for name in params},
            moved["input"],
            *initial,
            dropout_masks=masks.astype(np.complex128),
            **options,
        )
        upstream = [arrays[f"d_{state}_n"] for state in setup.states]
        return (output * arrays["d_output"]).sum() + sum(
            (final * d).sum() for final, d in zip(finals, upstream, strict=True)
        )

    for name in ("input", *(f"{state}_0" for state in setup.states), *params):
        derivative = np.empty_like(arrays[name])
        for index in np.ndindex(derivative.shape):
            moved = complex_arrays[name].copy()
            moved[index] += 1e-100j
            derivative[index] = loss(complex_arrays | {name: moved}).imag / 1e-100
        assert_close(grads[name], derivative, name)


@pytest.mark.parametrize(("kind", "own"), NETWORKS)
def test_a_wider_float_comes_out_as_it_goes_in(kind: str, own: dict[str, Any]) -> None:
    setup = Setup(kind, own | FULL)
    arrays = setup.arrays(np.random.default_rng(9), np.float32)
    wide = {name: value.astype(np.longdouble) for name, value in arrays.items()}
    expected, _ = run_torch(setup, {name: value.astype(np.float64) for name, value in arrays.items()})
    assert_all_close(
        run_reference(setup, wide), {name: v.detach().numpy().astype(np.longdouble) for name, v in expected.items()}
    )


@pytest.mark.parametrize(("kind", "own"), NETWORKS)
def test_arguments_left_out_are_zeros(kind: str, own: dict[str, Any]) -> None:
    setup = Setup(kind, own | FULL)
    arrays = setup.arrays(np.random.default_rng(10))
    ends = [f"{state}_0" for state in setup.states] + [f"d_{state}_n" for state in setup.states] + ["d_output"]
    for name in ends:
        left_out = {key: value for key, value in arrays.items() if key != name}
        zeros = arrays | {name: np.zeros_like(arrays[name])}
        assert_all_close(run_reference(setup, left_out), run_reference(setup, zeros), tolerance=0)


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_saturated_gates_need_no_warning(kind: str) -> None:
    """Exponentials overflow on the way; the results are torch's, and the caller hears nothing of it."""
    setup = Setup(kind, {})
    arrays = setup.arrays(np.random.default_rng(11))
    arrays["input"] = 1e6 * np.sign(arrays["input"])
    with np.errstate(all="raise", under="ignore"):
        actual = run_reference(setup, arrays)
    assert_all_close(actual, run_torch(setup, arrays)[0], tolerance=1e-9)


@pytest.mark.parametrize(("kind", "own"), NETWORKS)
@pytest.mark.parametrize("bias", [False, True])
def test_parameters_are_torchs_state_dict(kind: str, own: dict[str, Any], bias: bool) -> None:
    options = own | FULL | {"bias": bias}
    expected = {name: tuple(v.shape) for name, v in getattr(torch.nn, kind)(2, 4, **options).state_dict().items()}
    assert list(Setup(kind, options).model.parameter_shapes.items()) == list(expected.items())


# ------------------------------------------------------------------------------------------------- refusals

WRONG_OPTIONS: list[dict[str, Any]] = [
    {"input_size": "2"},
    {"hidden_size": 3.0},
    {"num_layers": 1.5},
    {"input_size": 0},
    {"hidden_size": -2},
    {"num_layers": 0},
    {"bias": 1},
    {"batch_first": "no"},
    {"dropout": -0.1},
    {"dropout": 1.1},
    {"dropout": True},
    {"dropout": "half"},
]


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
@pytest.mark.parametrize("options", WRONG_OPTIONS, ids=str)
def test_wrong_constructor_arguments(kind: str, options: dict[str, Any]) -> None:
    arguments: dict[str, Any] = {"input_size": 2, "hidden_size": 3} | options
    assert_same_refusal(lambda: getattr(torch.nn, kind)(**arguments), lambda: getattr(MODULES[kind], kind)(**arguments))


@pytest.mark.parametrize("proj_size", [-1, 3, 4, 1.5, "2", None])
def test_wrong_projections(proj_size: Any) -> None:
    assert_same_refusal(
        lambda: torch.nn.LSTM(2, 3, proj_size=proj_size), lambda: lstm.LSTM(2, 3, proj_size=proj_size), "proj_size"
    )


@pytest.mark.parametrize("kind", MODULES)
def test_dropout_without_a_second_layer_warns(kind: str) -> None:
    for constructor in (getattr(torch.nn, kind), getattr(MODULES[kind], kind)):
        with pytest.warns(UserWarning, match="dropout"):
            constructor(2, 3, dropout=0.5)


def zeros(*shape: int, dtype: Any = np.float64) -> Array:
    return np.zeros(shape, dtype)


INPUTS = [
    (zeros(), None),
    (zeros(2), None),
    (zeros(1, 4, 5, 2), None),
    (zeros(4, 5, 3), None),
    (zeros(4, 3), None),
    (zeros(4, 5, 2, dtype=np.float32), None),
    (zeros(0, 5, 2), None),
    (zeros(0, 2), None),
    (zeros(4, 5, 2), zeros(1, 5, 4)),
    (zeros(4, 5, 2), zeros(1, 4, 3)),
    (zeros(4, 5, 2), zeros(2, 5, 3)),
    (zeros(4, 5, 2), zeros(1, 3)),
    (zeros(4, 2), zeros(1, 1, 3)),
    (zeros(4, 2), zeros(2, 3)),
    (zeros(4, 5, 2), zeros(1, 5, 3, dtype=np.float32)),
    (zeros(4, 5, 2), [[[0.0]]]),
    (None, None),
]


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
@pytest.mark.parametrize(("x", "state"), INPUTS)
def test_wrong_inputs(kind: str, x: Any, state: Any) -> None:
    model, module = getattr(MODULES[kind], kind)(2, 3), getattr(torch.nn, kind)(2, 3).double()
    params = {name: zeros(*shape) for name, shape in model.parameter_shapes.items()}
    count = 2 if kind == "LSTM" else 1
    hx = None if state is None else tensor(state) if count == 1 else (tensor(state),) * 2
    assert_same_refusal(
        lambda: module(tensor(x), hx), lambda: MODULES[kind].forward(model, params, x, *[state] * count)
    )


def test_a_wrong_cell_state_beside_a_right_hidden_one() -> None:
    model, module = lstm.LSTM(2, 4, proj_size=3), torch.nn.LSTM(2, 4, proj_size=3).double()
    params, x, h_0 = {n: zeros(*s) for n, s in model.parameter_shapes.items()}, zeros(4, 5, 2), zeros(1, 5, 3)
    for c_0 in (zeros(1, 5, 3), zeros(1, 4, 4), zeros(2, 5, 4)):
        assert_same_refusal(
            lambda c_0=c_0: module(tensor(x), (tensor(h_0), tensor(c_0))),  # type: ignore[misc]
            lambda c_0=c_0: lstm.forward(model, params, x, h_0, c_0),  # type: ignore[misc]
            "(1, 5, 4)",
        )


@pytest.mark.parametrize(
    ("lengths", "enforce_sorted", "mentions"),
    [
        (np.array([2, 5, 3]), True, "decrease"),
        (np.array([5, 3, 0]), True, "greater than 0"),
        (np.array([5, 0, 3]), False, "greater than 0"),
        (np.array([5, 3, -1]), True, "greater than 0"),
        (np.array([5, 3]), True, "(3,)"),
        (np.array([5, 3, 2, 1]), True, "(3,)"),
        (np.array([[5, 3, 2]]), True, "(3,)"),
    ],
)
def test_wrong_lengths(lengths: Array, enforce_sorted: bool, mentions: str) -> None:
    model, x = rnn.RNN(2, 3), zeros(5, 3, 2)
    params = {name: zeros(*shape) for name, shape in model.parameter_shapes.items()}
    assert_same_refusal(
        lambda: pack_padded_sequence(tensor(x), tensor(lengths), enforce_sorted=enforce_sorted),
        lambda: rnn.forward(model, params, x, lengths=lengths, enforce_sorted=enforce_sorted),
        mentions,
    )


def test_an_empty_batch_has_no_lengths() -> None:
    model, x, lengths = rnn.RNN(2, 3), zeros(5, 0, 2), np.zeros(0, np.int64)
    params = {name: zeros(*shape) for name, shape in model.parameter_shapes.items()}
    assert_same_refusal(
        lambda: pack_padded_sequence(tensor(x), tensor(lengths)),
        lambda: rnn.forward(model, params, x, lengths=lengths),
        "empty",
    )


@pytest.mark.parametrize(
    ("x", "lengths", "error", "mentions"),
    [
        # torch reads behind the input's end, or drops sequences: here these are refused
        (zeros(5, 3, 2), np.array([6, 3, 2]), RuntimeError, "at most 5"),
        (zeros(5, 2), np.array([5]), RuntimeError, "3-D"),
        (zeros(5, 3, 2), {5, 3, 2}, TypeError, "sequence of numbers"),
    ],
)
def test_lengths_that_only_the_reference_refuses(x: Array, lengths: Any, error: Any, mentions: str) -> None:
    model = rnn.RNN(2, 3)
    params = {name: zeros(*shape) for name, shape in model.parameter_shapes.items()}
    assert_refused(lambda: rnn.forward(model, params, x, lengths=lengths), error, mentions)


def test_fractions_of_a_step_are_dropped() -> None:
    """As by torch, which turns lengths into int64."""
    x = np.random.default_rng(0).standard_normal((5, 3, 2))
    lengths, model = np.array([4.9, 3.2, 1.0]), rnn.RNN(2, 3)
    assert pack_padded_sequence(tensor(x), tensor(lengths)).batch_sizes.tolist() == [3, 2, 2, 1]
    rng = np.random.default_rng(1)
    params = {name: rng.standard_normal(shape) for name, shape in model.parameter_shapes.items()}
    output, h_n, _ = rnn.forward(model, params, x, lengths=lengths)
    expected, h_n_expected, _ = rnn.forward(model, params, x, lengths=np.array([4, 3, 1]))
    np.testing.assert_array_equal(output, expected)
    np.testing.assert_array_equal(h_n, h_n_expected)


@pytest.mark.parametrize(
    ("dropout", "masks", "error", "mentions"),
    [
        (0.0, zeros(1, 5, 3, 4), RuntimeError, "dropout is 0"),
        (0.5, zeros(2, 5, 3, 4), RuntimeError, "(1, 5, 3, 4)"),
        (0.5, zeros(5, 3, 4), RuntimeError, "(1, 5, 3, 4)"),
        (0.5, zeros(1, 5, 3, 4, dtype=np.float32), RuntimeError, "float64"),
        (0.5, [zeros(5, 3, 4)], TypeError, "array"),
    ],
)
def test_wrong_masks(dropout: float, masks: Any, error: Any, mentions: str) -> None:
    model = rnn.RNN(2, 4, num_layers=2, dropout=dropout)
    params = {name: zeros(*shape) for name, shape in model.parameter_shapes.items()}
    assert_refused(lambda: rnn.forward(model, params, zeros(5, 3, 2), dropout_masks=masks), error, mentions)


@pytest.mark.parametrize("model", [rnn.RNN, lstm.LSTM, gru.GRU])
def test_the_warning_about_dropout_points_at_who_made_the_network(model: Any) -> None:
    with pytest.warns(UserWarning, match=r"dropout=0\.5 has no effect") as warned:
        model(2, 3, dropout=0.5)
    assert [warning.filename for warning in warned] == [__file__]
