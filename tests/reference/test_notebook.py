"""The notebook's classes: its documented example, and training beside torch."""

from __future__ import annotations

import gc
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from reference import notebook
from reference import rnn as functional
from reference.checks import Array
from reference.notebook import FC, AdaGrad, Adam, Momentum, ReLU, SGDrnn, SimpleRNN, SimpleRNN2, Softmax, Tanh, sigmoid
from tests.reference.against_torch import assert_close, assert_refused, backward, frozen, leaf, tensor

RECURRENT: list[Any] = [SimpleRNN, SimpleRNN2]
ACTIVATIONS: dict[str, tuple[Callable[[], Any], Callable[[torch.Tensor], torch.Tensor]]] = {
    "tanh": (Tanh, torch.tanh),
    "relu": (ReLU, torch.relu),
    "sigmoid": (sigmoid, torch.sigmoid),
}
OPTIMIZERS: dict[str, tuple[Callable[[], Any], Callable[[Any], torch.optim.Optimizer]]] = {
    "SGD": (lambda: notebook.SGD(0.1), lambda p: torch.optim.SGD(p, lr=0.1)),
    "SGDrnn": (lambda: SGDrnn(0.1), lambda p: torch.optim.SGD(p, lr=0.1)),
    "Momentum": (lambda: Momentum(0.05, 0.8), lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.8)),
    "Momentum by default": (Momentum, lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9)),
    "AdaGrad": (lambda: AdaGrad(0.05), lambda p: torch.optim.Adagrad(p, lr=0.05)),
    "Adam": (lambda: Adam(0.01, 0.8, 0.99), lambda p: torch.optim.Adam(p, lr=0.01, betas=(0.8, 0.99))),
    "Adam by default": (Adam, lambda p: torch.optim.Adam(p)),
}
BATCH, LENGTH, FEATURES, NODES, CLASSES, STEPS = 5, 4, 3, 6, 2, 12


class Start:
    """A learner's own initializer: nothing but W and B."""

    def __init__(self, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)

    def W(self, n_nodes1: int, n_nodes2: int) -> Array:
        return 0.5 * self.rng.standard_normal((n_nodes1, n_nodes2))

    def B(self, n_nodes2: int) -> Array:
        return 0.5 * self.rng.standard_normal((1, n_nodes2))


# --------------------------------------------------------------------------------- the documented 3-step example

X = np.array([[[1, 2], [2, 3], [3, 4]]]) / 100
STATES = [
    [0.76188798, 0.76213958, 0.76239095, 0.76255841],
    [0.79220900, 0.81418340, 0.83404912, 0.84977719],
    [0.79494228, 0.81839002, 0.83939649, 0.85584174],
]


def documented_layer(kind: Any) -> Any:
    layer = kind(2, 4, Start(), notebook.SGD(0.01), Tanh())
    layer.WX = np.array([[1, 3, 5, 7], [3, 5, 7, 8]]) / 100
    layer.Wh = np.array([[1, 3, 5, 7], [2, 4, 6, 8], [3, 5, 7, 8], [4, 6, 8, 10]]) / 100
    # one number for all units, as the example writes it
    layer.B = np.array([1])
    return layer


def test_documented_states() -> None:
    layer = documented_layer(SimpleRNN2)
    last = layer.forward(X)
    assert np.array2string(last, precision=8) == "[[0.79494228 0.81839002 0.83939649 0.85584174]]"
    np.testing.assert_allclose(layer.A[0], STATES, atol=5e-9, rtol=0)
    np.testing.assert_allclose(documented_layer(SimpleRNN).forward(X)[0], STATES, atol=5e-9, rtol=0)


def test_documented_gradients_of_every_step() -> None:
    layer = documented_layer(SimpleRNN)
    d_x = layer.backward(np.ones_like(layer.forward(X)))
    documented = [
        (d_x[0, 0], [0.07237975, 0.10373134]),
        (layer.dB[0], [1.19934775, 1.13416539, 1.07175132, 1.02653129]),
        (layer.dWh[0], [0.58867635, 0.53378663, 0.48206685, 0.44163540]),
        (layer.dWX[0], [0.02325421, 0.02151871, 0.01988135, 0.01863078]),
    ]
    for actual, expected in documented:
        np.testing.assert_allclose(actual, expected, atol=5e-9, rtol=0)


def test_documented_gradients_of_the_last_step() -> None:
    layer = documented_layer(SimpleRNN2)
    d_x = layer.backward(np.ones_like(layer.forward(X)))
    for actual, expected in zip(d_x[0], [[3e-4, 5e-4], [3.5e-3, 4.9e-3], [4.71e-2, 6.96e-2]], strict=True):
        # given as "about": half a unit of the last digit written
        np.testing.assert_allclose(actual, expected, atol=5e-5)
    np.testing.assert_allclose(layer.dB[0], [0.3871, 0.3522, 0.3187, 0.2936], atol=5e-5, rtol=0)


# --------------------------------------------------------------------------------------------- beside torch


def states_in_torch(weights: Any, x: torch.Tensor, h: torch.Tensor, activation: Any) -> torch.Tensor:
    """All states of a recurrent layer by autograd: torch.nn.RNN has no sigmoid."""
    states = []
    for t in range(x.shape[1]):
        h = activation(x[:, t] @ weights["WX"] + h @ weights["Wh"] + weights["B"])
        states.append(h)
    return torch.stack(states, dim=1)


def assert_same_weights(layer: Any, weights: dict[str, torch.Tensor], what: object) -> None:
    assert layer.parameters().keys() == weights.keys()
    for name, value in weights.items():
        assert_close(getattr(layer, name), value, f"{name} in step {what}", tolerance=1e-11)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("kind", RECURRENT)
def test_training_a_recurrent_layer(kind: Any, activation: str, optimizer: str) -> None:
    rng = np.random.default_rng(1)
    layer = kind(FEATURES, NODES, Start(), OPTIMIZERS[optimizer][0](), ACTIVATIONS[activation][0]())
    weights = {name: leaf(value) for name, value in layer.parameters().items()}
    in_torch = OPTIMIZERS[optimizer][1](list(weights.values()))
    for step in range(STEPS):
        x, h_0 = frozen(rng.standard_normal((BATCH, LENGTH, FEATURES))), frozen(rng.standard_normal((BATCH, NODES)))
        source, initial = leaf(x), leaf(h_0)
        expected = states_in_torch(weights, source, initial, ACTIVATIONS[activation][1])
        expected = expected if kind is SimpleRNN else expected[:, -1]
        d_output = frozen(0.02 * rng.standard_normal(tuple(expected.shape)))
        in_torch.zero_grad()
        backward(expected, d_output)

        assert_close(layer.forward(x, h_0), expected, f"output in step {step}", tolerance=1e-11)
        assert_close(layer.backward(d_output), source.grad, f"d_x in step {step}", tolerance=1e-11)
        assert_close(layer.dh0, initial.grad, f"d_h_0 in step {step}", tolerance=1e-11)
        for name, value in weights.items():
            assert_close(getattr(layer, "d" + name), value.grad, f"d{name} in step {step}", tolerance=1e-11)
        in_torch.step()
        assert_same_weights(layer, weights, step)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("shared", [False, True])
def test_training_a_network_beside_torchs_layers(shared: bool, activation: str, optimizer: str) -> None:
    """Two recurrent layers, a fully connected one and softmax, with an optimizer each or one for all."""
    make_optimizer, make_in_torch = OPTIMIZERS[optimizer]
    one = make_optimizer()
    start, make_activation = Start(), ACTIVATIONS[activation][0]
    layers: list[Any] = [
        SimpleRNN(FEATURES, NODES, start, one if shared else make_optimizer(), make_activation()),
        # of equal shapes as well, which a shared state would mix up in silence
        SimpleRNN(NODES, NODES, start, one if shared else make_optimizer(), make_activation()),
        SimpleRNN2(NODES, NODES, start, one if shared else make_optimizer(), make_activation()),
        FC(NODES, CLASSES, start, one if shared else make_optimizer()),
    ]
    softmax = Softmax()

    options: Any = {"nonlinearity": activation, "batch_first": True, "dtype": torch.float64}
    modules: list[Any] = [torch.nn.RNN(layer.n_features, NODES, **options) for layer in layers[:3]]
    modules.append(torch.nn.Linear(NODES, CLASSES, dtype=torch.float64))
    twins = []
    for layer, module in zip(layers, modules, strict=True):
        names = {"W": "weight", "B": "bias"} if layer is layers[3] else {
            "WX": "weight_ih_l0", "Wh": "weight_hh_l0", "B": "bias_ih_l0"
        }  # fmt: skip
        for mine, theirs in names.items():
            value = getattr(layer, mine)
            torch.nn.init.zeros_(getattr(module, theirs)).data.copy_(tensor(value[0] if mine == "B" else value.T))
        if layer is not layers[3]:
            # the layers have one bias where torch has two
            torch.nn.init.zeros_(module.bias_hh_l0).requires_grad_(False)
        twins.append({mine: getattr(module, theirs) for mine, theirs in names.items()})
    in_torch = make_in_torch([value for twin in twins for value in twin.values()])

    rng = np.random.default_rng(2)
    for step in range(STEPS):
        x, y = rng.standard_normal((BATCH, LENGTH, FEATURES)), rng.integers(0, CLASSES, BATCH)
        result = tensor(x)
        for module in modules[:3]:
            result, _ = module(result)
        scores = modules[3](result[:, -1])
        in_torch.zero_grad()
        torch.autograd.backward([torch.nn.functional.cross_entropy(scores, tensor(y))])
        in_torch.step()

        activations: Array = x
        for layer in layers:
            activations = layer.forward(activations)
        assert_close(softmax.forward(activations), scores.softmax(dim=1), f"step {step}", tolerance=1e-10)
        gradient: Array = softmax.backward(np.eye(CLASSES)[y])
        for layer in reversed(layers):
            gradient = layer.backward(gradient)
        for layer, twin in zip(layers, twins, strict=True):
            for name, value in twin.items():
                expected = value.detach().numpy()
                expected = expected[None] if name == "B" else expected.T
                assert_close(getattr(layer, name), expected, f"{name} in step {step}", tolerance=1e-10)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_training_fully_connected_layers(activation: str, optimizer: str) -> None:
    rng = np.random.default_rng(3)
    make, apply = ACTIVATIONS[activation]
    first, last = (FC(*sizes, Start(4), OPTIMIZERS[optimizer][0]()) for sizes in ((FEATURES, NODES), (NODES, CLASSES)))
    hidden, softmax = make(), Softmax()
    weights = [{name: leaf(value) for name, value in layer.parameters().items()} for layer in (first, last)]
    in_torch = OPTIMIZERS[optimizer][1]([value for layer in weights for value in layer.values()])
    for step in range(STEPS):
        x, y = frozen(rng.standard_normal((BATCH, FEATURES))), rng.integers(0, CLASSES, BATCH)
        source = leaf(x)
        scores = apply(source @ weights[0]["W"] + weights[0]["B"]) @ weights[1]["W"] + weights[1]["B"]
        in_torch.zero_grad()
        torch.autograd.backward([torch.nn.functional.cross_entropy(scores, tensor(y))])

        assert_close(softmax.forward(last.forward(hidden.forward(first.forward(x)))), scores.softmax(dim=1))
        d_x = first.backward(hidden.backward(last.backward(softmax.backward(np.eye(CLASSES)[y]))))
        assert_close(d_x, source.grad, f"d_x in step {step}", tolerance=1e-11)
        in_torch.step()
        for layer, twin in zip((first, last), weights, strict=True):
            assert_same_weights(layer, twin, step)


# ---------------------------------------------------------------------------------------------- single promises


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_update_returns_the_layer(optimizer: str) -> None:
    layer = FC(2, 3, Start(), OPTIMIZERS[optimizer][0]())
    before = layer.W.copy()
    layer.dW, layer.dB = np.ones((2, 3)), np.ones((1, 3))
    assert layer.optimizer.update(layer) is layer
    assert not np.any(before == layer.W)


def test_optimizers_forget_layers_that_are_gone() -> None:
    """A new layer may get the address of an old one; it must not inherit its state."""
    optimizer = Adam()
    for _ in range(3):
        layer = FC(2, 3, Start(), optimizer)
        layer.backward(np.ones_like(layer.forward(np.ones((1, 2)))))
        assert len(optimizer.states) == 1
        assert optimizer.states[layer]["W"]["step"] == 1
        del layer
        gc.collect()


def test_softmax_of_rows_far_apart() -> None:
    scores = np.array([[0.0, 1.0, 2.0], [800.0, 801.0, 803.0], [-800.0, -801.0, -800.0]])
    result = Softmax().forward(scores)
    assert np.isfinite(result).all()
    assert_close(result, tensor(scores).softmax(dim=1))


def test_softmax_backward_is_the_gradient_of_the_mean_cross_entropy() -> None:
    scores, y = np.random.default_rng(5).standard_normal((BATCH, CLASSES)), np.eye(CLASSES)[[0, 1, 1, 0, 1]]
    softmax, source = Softmax(), leaf(scores)
    softmax.forward(scores)
    torch.autograd.backward([torch.nn.functional.cross_entropy(source, tensor(y))])
    assert_close(softmax.backward(y), source.grad)


def test_sigmoid_far_from_zero_without_warning() -> None:
    np.testing.assert_array_equal(sigmoid().forward(np.array([[-1000.0, 1000.0]])), [[0, 1]])


def test_both_names_of_sigmoid() -> None:
    assert notebook.Sigmoid is notebook.sigmoid


@pytest.mark.parametrize(
    ("name", "value", "slope"),
    [("tanh", np.tanh(0.5), 1 - np.tanh(0.5) ** 2), ("relu", 0.5, 1.0), ("sigmoid", 1 / (1 + np.exp(-0.5)), None)],
)
def test_activations_keep_what_backward_needs(name: str, value: float, slope: float | None) -> None:
    activation = ACTIVATIONS[name][0]()
    assert_close(activation.forward(np.array([0.5])), np.array([value]))
    expected = value * (1 - value) if slope is None else slope
    assert_close(activation.backward(np.array([2.0])), np.array([2 * expected]))


@pytest.mark.parametrize("kind", RECURRENT)
def test_weights_may_be_replaced_before_forward(kind: Any) -> None:
    layer, other = (kind(FEATURES, NODES, Start(seed), notebook.SGD(0.1), Tanh()) for seed in (1, 2))
    x = np.random.default_rng(6).standard_normal((BATCH, LENGTH, FEATURES))
    assert not np.allclose(layer.forward(x), other.forward(x))
    layer.WX, layer.Wh, layer.B = other.WX.copy(), other.Wh.copy(), other.B.copy()
    np.testing.assert_array_equal(layer.forward(x), other.forward(x))

    fc, other_fc = (FC(FEATURES, NODES, Start(seed), notebook.SGD(0.1)) for seed in (1, 2))
    fc.W, fc.B = other_fc.W.copy(), other_fc.B.copy()
    np.testing.assert_array_equal(fc.forward(x[:, 0]), other_fc.forward(x[:, 0]))


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_h_0_left_out_is_zero(activation: str) -> None:
    layer = SimpleRNN(FEATURES, NODES, Start(), notebook.SGD(0.1), ACTIVATIONS[activation][0]())
    x = np.random.default_rng(7).standard_normal((BATCH, LENGTH, FEATURES))
    np.testing.assert_array_equal(layer.forward(x), layer.forward(x, np.zeros((BATCH, NODES))))


@pytest.mark.parametrize(
    "initializer", [notebook.SimpleInitializer, notebook.XavierInitializer, notebook.HeInitializer]
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.longdouble])
def test_a_layer_computes_in_the_dtype_of_its_weights(initializer: Any, dtype: Any) -> None:
    start = initializer(rng=np.random.default_rng(8), dtype=dtype)
    x = np.random.default_rng(9).standard_normal((BATCH, LENGTH, FEATURES))
    rnn, fc = SimpleRNN2(FEATURES, NODES, start, Adam(), Tanh()), FC(NODES, CLASSES, start, Adam())
    scores = fc.forward(rnn.forward(x))
    d_x = rnn.backward(fc.backward(np.ones((BATCH, CLASSES))))
    arrays = (scores, d_x, rnn.A, fc.W, fc.B, fc.dW, rnn.WX, rnn.Wh, rnn.B, rnn.dWh)
    assert {array.dtype for array in arrays} == {np.dtype(dtype)}


def test_initializers_have_torchs_spread() -> None:
    """Standard deviations of n = 80,000 normal draws lie within 6 / sqrt(2 n) = 1.5 %: P(beyond) < 1e-8 each."""
    n_in, n_out, rng = 200, 400, np.random.default_rng(10)
    torch.manual_seed(1)
    standard = torch.empty(n_out, n_in).normal_().std().item()
    for initializer, in_torch in (
        (notebook.XavierInitializer(rng=rng), torch.nn.init.xavier_normal_),
        (notebook.HeInitializer(rng=rng), lambda t: torch.nn.init.kaiming_normal_(t, nonlinearity="relu")),
        (notebook.SimpleInitializer(0.05, rng=rng), lambda t: torch.nn.init.normal_(t, 0, 0.05)),
    ):
        torch.manual_seed(1)
        std = in_torch(torch.empty(n_out, n_in)).std().item() / standard
        weights = initializer.W(n_in, n_out)
        assert weights.shape == (n_in, n_out)
        assert weights.dtype == np.float32
        assert weights.std() == pytest.approx(std, rel=0.015)
        # a bias may be asked for first, and has a value for every unit
        assert initializer.B(n_out).shape == (1, n_out)


def test_biases_start_within_torchs_bounds() -> None:
    """The largest of n draws misses the last 5 % of the interval with probability 0.95^n: below 1e-8 for 400."""
    start = notebook.XavierInitializer(rng=np.random.default_rng(11))
    rnn = SimpleRNN(3, 400, start, notebook.SGD(0.1), Tanh())
    fc = FC(50, 400, start, notebook.SGD(0.1))
    for bias, n in ((rnn.B, 400), (fc.B, 50)):
        assert 0.95 / np.sqrt(n) < np.abs(bias).max() <= 1 / np.sqrt(n)


@pytest.mark.parametrize("kind", RECURRENT)
def test_wrong_shapes(kind: Any) -> None:
    layer = kind(FEATURES, NODES, Start(), notebook.SGD(0.1), Tanh())
    for x in (np.ones((BATCH, FEATURES)), np.ones((BATCH, LENGTH, FEATURES + 1)), np.ones((BATCH, 0, FEATURES))):
        assert_refused(partial(layer.forward, x), ValueError, "n_sequences")
    x = np.ones((BATCH, LENGTH, FEATURES))
    assert_refused(lambda: layer.forward(x, np.zeros((1, NODES))), ValueError, f"({BATCH}, {NODES})")
    output = layer.forward(x)
    weights = layer.WX.copy()
    assert_refused(lambda: layer.backward(output[:-1]), ValueError, str(output.shape))
    np.testing.assert_array_equal(layer.WX, weights)


def make_all() -> list[Any]:
    """Every layer and activation."""
    recurrent = [kind(FEATURES, NODES, Start(), notebook.SGD(0.1), Tanh()) for kind in RECURRENT]
    return [*(make() for make, _ in ACTIVATIONS.values()), Softmax(), FC(FEATURES, NODES, Start(), Adam()), *recurrent]


@pytest.mark.parametrize("which", range(7))
def test_nothing_is_kept_before_the_first_pass(which: int) -> None:
    kept = make_all()[which]
    names = {"Z", "X", "A", "ht", "dA", "dW", "dB", "dWX", "dWh", "dh0"} & vars(kept).keys()
    assert names
    assert all(getattr(kept, name) is None for name in names)


@pytest.mark.parametrize("which", range(7))
def test_backward_needs_a_forward(which: int) -> None:
    assert_refused(lambda: make_all()[which].backward(np.zeros((2, NODES))), RuntimeError, "call forward first")


def test_softmax_takes_probabilities_and_no_labels() -> None:
    """Labels of as many samples as there are classes would broadcast."""
    softmax = Softmax()
    softmax.forward(np.zeros((3, 3)))
    for labels in (np.array([0, 1, 2]), np.array([[0], [1], [2]]), np.array(1)):
        assert_refused(partial(softmax.backward, labels), ValueError, "one-hot")


def test_softmax_takes_a_batch_only() -> None:
    """backward divides by the number of rows, which a single vector has not."""
    assert_refused(lambda: Softmax().forward(np.zeros(3)), IndexError, "dim 1")


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_rate_may_be_changed_between_updates(optimizer: str) -> None:
    ours = OPTIMIZERS[optimizer][0]()
    layer = FC(2, 3, Start(), ours)
    weights = {name: leaf(value) for name, value in layer.parameters().items()}
    in_torch = OPTIMIZERS[optimizer][1](list(weights.values()))
    for step, lr in enumerate([None, 0.3, 0.02]):
        if lr is not None:
            ours.lr = lr
            in_torch.param_groups[0]["lr"] = lr
        assert ours.lr == in_torch.param_groups[0]["lr"]
        layer.dW, layer.dB = np.full((2, 3), 0.5 + step), np.full((1, 3), -0.25)
        for name, value in weights.items():
            value.grad = tensor(getattr(layer, "d" + name))
        ours.update(layer)
        in_torch.step()
        assert_same_weights(layer, weights, step)


def test_momentum_shows_its_coefficient() -> None:
    assert Momentum(0.1, 0.8).momentum == 0.8
    assert Momentum().momentum == 0.9


@pytest.mark.parametrize("layer", [*RECURRENT, FC])
def test_lists_of_whole_numbers_are_taken_in_the_dtype_of_the_weights(layer: Any) -> None:
    """Whatever an argument is given as, it is what an array of the weights' dtype would be."""
    x, upstream = [[1, 2, 3], [0, -1, 2]], [[1, 0], [2, -1]]

    def run(convert: Callable[[Any], Any]) -> list[Array]:
        start = notebook.XavierInitializer(rng=np.random.default_rng(1))
        if layer is FC:
            made = FC(3, 2, start, notebook.SGD(0.1))
            return [made.forward(convert(x)), made.backward(convert(upstream)), made.Z, made.dA, made.dW, made.dB]
        made = layer(3, 2, start, notebook.SGD(0.1), Tanh())
        sequences, above = ([x], [upstream]) if layer is SimpleRNN else ([x], upstream[:1])
        output = made.forward(convert(sequences), convert([[1, -1]]))
        return [output, made.backward(convert(above)), made.X, made.dA, made.dWX, made.dWh, made.dh0]

    for given, as_array in zip(run(lambda a: a), run(lambda a: np.array(a, np.float32)), strict=True):
        assert given.dtype == np.float32
        np.testing.assert_array_equal(given, as_array)


class Marked(np.ndarray[Any, Any]):
    """An array of another class, as those are with which rounding is simulated."""


@pytest.mark.parametrize("layer", [*RECURRENT, FC])
def test_arrays_of_another_class_stay_what_they_are(layer: Any) -> None:
    def marked(*shape: int) -> Any:
        return np.full(shape, 0.5).view(Marked)

    if layer is FC:
        made = FC(FEATURES, NODES, Start(), notebook.SGD(0.1))
        made.B = marked(1, NODES)
        made.forward(marked(BATCH, FEATURES))
        made.backward(marked(BATCH, NODES))
        kept = [made.Z, made.dA]
    else:
        made = layer(FEATURES, NODES, Start(), notebook.SGD(0.1), Tanh())
        made.B = marked(1, NODES)
        output = made.forward(marked(BATCH, LENGTH, FEATURES), marked(BATCH, NODES))
        assert isinstance(output, Marked)
        made.backward(marked(*output.shape))
        kept = [made.X, made.dA]
    assert all(isinstance(array, Marked) for array in kept)
    made.B = marked(1)
    assert isinstance(made.parameters()["B"], Marked)


def test_an_initial_state_of_another_class_stays_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = SimpleRNN(FEATURES, NODES, Start(), notebook.SGD(0.1), Tanh())
    run, seen = functional.direction_forward, []

    def watched(*arguments: Any) -> Any:
        seen.append(arguments[-1][0])
        return run(*arguments)

    monkeypatch.setattr(functional, "direction_forward", watched)
    x, h_0 = np.ones((BATCH, LENGTH, FEATURES)), np.full((BATCH, NODES), 0.5).view(Marked)
    layer.forward(x, h_0)
    layer.forward(x)
    assert isinstance(seen[0], Marked)
    assert (seen[1].shape, seen[1].dtype) == ((BATCH, NODES), np.float64)
    assert not seen[1].any()


def test_one_step_by_both_layers() -> None:
    """With one state, every state and the last one are the same."""
    x = np.random.default_rng(5).standard_normal((BATCH, 1, FEATURES))
    every, last = (kind(FEATURES, NODES, Start(), notebook.SGD(0.1), Tanh()) for kind in (SimpleRNN, SimpleRNN2))
    last.WX, last.Wh, last.B = every.WX.copy(), every.Wh.copy(), every.B.copy()
    np.testing.assert_array_equal(every.forward(x)[:, 0], last.forward(x))
    upstream = np.random.default_rng(6).standard_normal((BATCH, NODES))
    np.testing.assert_array_equal(every.backward(upstream[:, None]), last.backward(upstream))
    np.testing.assert_array_equal(every.WX, last.WX)


@pytest.mark.parametrize("name", ["SimpleInitializer", "XavierInitializer", "HeInitializer"])
def test_initializers_draw_from_the_generator_that_they_are_given(name: str) -> None:
    make = getattr(notebook, name)
    one, other = (make(rng=np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(one.W(2, 3), other.W(2, 3))
    np.testing.assert_array_equal(one.B(3), other.B(3))
    # and without one from a generator of their own
    assert not np.array_equal(make().W(2, 3), make().W(2, 3))
    assert not np.array_equal(make().B(3), make().B(3))


def test_the_simple_initializers_spread() -> None:
    """Of 80,000 normal draws the standard deviation lies within 1.5 %, as above."""
    for start, sigma in (
        (notebook.SimpleInitializer(rng=np.random.default_rng(4)), 0.01),
        (notebook.SimpleInitializer(0.05, rng=np.random.default_rng(4)), 0.05),
    ):
        assert start.sigma == sigma
        assert start.W(200, 400).std() == pytest.approx(sigma, rel=0.015)
        assert start.B(80_000).std() == pytest.approx(sigma, rel=0.015)
