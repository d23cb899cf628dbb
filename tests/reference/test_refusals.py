"""Every array that a layer, a cell or a loss takes: one of another kind is refused, and the message names it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from reference import activations, gru, linear, losses, lstm, rnn
from reference.checks import Array

Arrays = Mapping[str, Any]


@dataclass(frozen=True)
class Call:
    """A call that is accepted as it is."""

    function: Callable[[Arrays], object]
    arrays: dict[str, Array]
    named: tuple[str, ...]
    """the arrays that are to be refused, by the names of the arguments"""
    any_shape: bool = False
    """whether an axis more is an axis more of the result"""


def random(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Array]:
    rng = np.random.default_rng(1)
    return {name: rng.uniform(0.1, 0.9, shape) for name, shape in shapes.items()}


def both_ways(run: Callable[..., Any], back: Callable[..., Any], model: Any, arrays: Arrays, names: Any) -> Any:
    """Forward and backward of a layer or cell, given the names of what goes in besides parameters."""
    forward_names, backward_names, options = names

    def forward(a: Arrays) -> Any:
        params = {name: a[name] for name in model.parameter_shapes}
        return run(model, params, *(a[name] for name in forward_names), **{name: a[name] for name in options})

    cache = forward(arrays)[-1]

    def backward(a: Arrays) -> Any:
        params = {name: a[name] for name in model.parameter_shapes}
        return back(model, params, cache, *(a[name] for name in backward_names))

    return (
        ("forward", Call(forward, dict(arrays), (*forward_names, *options, *model.parameter_shapes))),
        ("backward", Call(backward, dict(arrays), (*backward_names, *model.parameter_shapes))),
    )


def networks() -> Iterator[tuple[str, Call]]:
    for kind, module, states in (("RNN", rnn, "h"), ("LSTM", lstm, "hc"), ("GRU", gru, "h")):
        model = getattr(module, kind)(2, 4, num_layers=2, bidirectional=True, dropout=0.5)
        initial, final = [f"{s}_0" for s in states], [f"d_{s}_n" for s in states]
        shapes = {"x": (5, 3, 2), "d_output": (5, 3, 8), "dropout_masks": (1, 5, 3, 8)}
        arrays = random(model.parameter_shapes | shapes | dict.fromkeys([*initial, *final], (4, 3, 4)))
        names: Any = (["x", *initial], ["d_output", *final], ["dropout_masks"])
        for way, call in both_ways(module.forward, module.backward, model, arrays, names):
            yield f"{kind}.{way}", call


def cells() -> Iterator[tuple[str, Call]]:
    for kind, module, states in (("RNNCell", rnn, "h"), ("LSTMCell", lstm, "hc"), ("GRUCell", gru, "h")):
        model = getattr(module, kind)(2, 4)
        initial, new = [f"{s}x" for s in states], [f"d_{s}" for s in states]
        arrays = random(model.parameter_shapes | {"x": (3, 2)} | dict.fromkeys([*initial, *new], (3, 4)))
        names: Any = (["x", *initial], new, [])
        for way, call in both_ways(module.cell_forward, module.cell_backward, model, arrays, names):
            yield f"{kind}.{way}", call


def given(function: Callable[..., object], *names: str) -> Callable[[Arrays], object]:
    """Call the function with the arrays of these names."""
    return lambda a: function(*(a[name] for name in names))


def others() -> Iterator[tuple[str, Call]]:
    model = linear.Linear(3, 4)
    arrays = random(model.parameter_shapes | {"x": (2, 3), "d_output": (2, 4)})

    def params(a: Arrays) -> dict[str, Any]:
        return {name: a[name] for name in model.parameter_shapes}

    _, cache = linear.forward(model, params(arrays), arrays["x"])
    yield "linear.forward x", Call(lambda a: linear.forward(model, params(a), a["x"]), arrays, ("x",), any_shape=True)
    yield "linear.forward", Call(lambda a: linear.forward(model, params(a), a["x"]), arrays, ("weight", "bias"))
    yield (
        "linear.backward",
        Call(lambda a: linear.backward(model, params(a), cache, a["d_output"]), arrays, ("d_output", "weight", "bias")),
    )
    pair = random({"d_y": (2, 3), "y": (2, 3)})
    for name in ("tanh", "relu", "sigmoid", "softmax", "log_softmax"):
        backward = getattr(activations, f"{name}_backward")
        yield f"{name}_backward", Call(given(backward, "d_y", "y"), pair, ("d_y",))
    pair = random({"input": (2, 3), "target": (2, 3), "d_loss": ()})
    yield "mse_loss", Call(given(losses.mse_loss, "input", "target"), pair, ("target",), any_shape=True)
    yield (
        "mse_loss_backward",
        Call(given(losses.mse_loss_backward, "d_loss", "input", "target"), pair, ("target",), any_shape=True),
    )
    for name in ("cross_entropy", "nll_loss"):
        loss, backward = getattr(losses, name), getattr(losses, f"{name}_backward")
        arrays = random({"input": (2, 3), "weight": (3,), "d_loss": ()}) | {"target": np.array([0, 2])}
        arguments, named = ("input", "target", "weight"), ("target", "weight")
        yield name, Call(given(loss, *arguments), arrays, named)
        yield (
            f"{name}_backward",
            Call(given(backward, "d_loss", *arguments), arrays, named),
        )


CALLS = dict([*networks(), *cells(), *others()])
WORDS = {"x": "x|input", "target": "target|probabilities"}
"""what torch calls it, where a message is torch's"""


def wrong(array: Array) -> Iterator[object]:
    yield array.tolist()
    yield array.astype(np.float32)
    yield array[None]
    yield np.concatenate([array, array], axis=-1)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_what_is_refused_is_named(call: Call) -> None:
    call.function(call.arrays)
    for name in call.named:
        for value in wrong(call.arrays[name]):
            if call.any_shape and isinstance(value, np.ndarray) and value.ndim > call.arrays[name].ndim:
                continue
            with pytest.raises((TypeError, ValueError, RuntimeError, IndexError)) as refusal:
                call.function({**call.arrays, name: value})
            message = str(refusal.value)
            assert re.search(rf"\b({WORDS.get(name, name)})\b", message), (name, value, message)


def test_a_parameter_that_is_missing_or_not_the_layers_is_named() -> None:
    model = rnn.RNN(2, 4)
    params = random(model.parameter_shapes)
    _, _, cache = rnn.forward(model, params, np.zeros((5, 3, 2)))
    for changed, name in (
        ({key: params[key] for key in params if key != "bias_hh_l0"}, "bias_hh_l0"),
        (params | {"gain": np.zeros(4)}, "gain"),
    ):
        for function in (
            lambda p: rnn.forward(model, p, np.zeros((5, 3, 2))),
            lambda p: rnn.backward(model, p, cache, np.zeros((5, 3, 4))),
        ):
            with pytest.raises(RuntimeError, match=rf"parameter\(s\): {name}$"):
                function(changed)


def test_the_states_of_every_network_are_named() -> None:
    for kind, module, names in (("RNN", rnn, ["h_0"]), ("LSTM", lstm, ["h_0", "c_0"]), ("GRU", gru, ["h_0"])):
        model = getattr(module, kind)(2, 4)
        params = random(model.parameter_shapes)
        x, right, wrong_shape = np.zeros((5, 3, 2)), np.zeros((1, 3, 4)), np.zeros((2, 3, 4))
        *_, cache = module.forward(model, params, x)
        for name in names:
            with pytest.raises(RuntimeError, match=rf"^{name} must have shape"):
                module.forward(model, params, x, **(dict.fromkeys(names, right) | {name: wrong_shape}))
            final = f"d_{name.replace('0', 'n')}"
            with pytest.raises(RuntimeError, match=rf"^{final} must have shape"):
                module.backward(model, params, cache, **{final: wrong_shape})
