"""A learner's notebook as an implementation under test, with all of its mistakes.

Written from the description of the notebook's classes alone: it shares no code with the reference, so that a
diagnosis has nothing to go by but numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conformance.case import Case

Array = NDArray[Any]


FUNCTIONS: dict[str, Callable[[Array], Array]] = {
    "tanh": np.tanh,
    "relu": lambda a: np.maximum(0, a),
    "sigmoid": lambda a: 1 / (1 + np.exp(-a)),
}


class Net:
    """SimpleRNN, or SimpleRNN2 with ``last_only``; one bias for the whole layer, updates inside the time loop."""

    def __init__(self, w_x: Array, w_h: Array, bias: Array, rate: float, activation: str, last_only: bool) -> None:
        self.w_x, self.w_h = w_x.copy(), w_h.copy()
        self.bias = np.full((1, 1), bias.mean(), dtype=w_x.dtype)
        self.rate = rate
        self.last_only = last_only
        self.function = FUNCTIONS[activation]

    def forward(self, x: Array) -> Array:
        self.x, state, states = x, np.zeros((len(x), len(self.w_h)), x.dtype), []
        for t in range(x.shape[1]):
            state = self.function(x[:, t] @ self.w_x + state @ self.w_h + self.bias)
            states.append(state)
        self.states = np.stack(states, axis=1)
        return state if self.last_only else self.states

    def backward(self, upstream: Array) -> Array:
        carried = upstream if self.last_only else np.zeros_like(self.states[:, 0])
        d_x = np.zeros_like(self.x)
        for t in reversed(range(self.x.shape[1])):
            d_state = carried if self.last_only else upstream[:, t] + carried
            d_pre = d_state * (1 - self.states[:, t] ** 2)
            self.update(self.x[:, t], self.states[:, t], d_pre)
            carried = d_pre @ self.w_h.T
            d_x[:, t] = (carried if self.last_only else d_pre) @ self.w_x.T
        return d_x

    def update(self, x: Array, state: Array, d_pre: Array) -> None:
        self.w_x = self.w_x - self.rate * x.T @ d_pre / len(d_pre)
        self.bias = self.bias - self.rate * d_pre.mean()
        self.w_h = self.w_h - self.rate * state.T @ d_pre / len(d_pre)

    def parameters(self) -> dict[str, Array]:
        bias = np.broadcast_to(self.bias[0], (len(self.w_h),)).copy()
        return {"weight_ih_l0": self.w_x.T, "weight_hh_l0": self.w_h.T, "bias_ih_l0": bias}


ACTIVATIONS = {"Tanh": "tanh", "ReLU": "relu", "sigmoid": "sigmoid"}


def notebook(case: Case) -> dict[str, Array]:
    """One recurrent layer, trained step by step."""
    [layer, *others] = case.config["layers"]
    if others or layer["class"] not in ("SimpleRNN", "SimpleRNN2") or not case.config["optimizer"]["class"] == "SGDrnn":
        raise NotImplementedError("only a recurrent layer with SGDrnn")
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0")
    w_x, w_h, bias = (case[f"param.0.{name}"].T for name in names)
    rate = case.config["optimizer"]["arguments"]["lr"]
    activation = ACTIVATIONS[layer["arguments"]["activation"]]
    net = Net(w_x, w_h, bias, rate, activation, layer["class"] == "SimpleRNN2")
    trace: dict[str, Array] = {}
    for k in range(1, case.steps + 1):
        trace[f"step{k}.output"] = net.forward(case[f"step{k}.input"])
        trace[f"step{k}.grad.input"] = net.backward(case[f"step{k}.d_output"])
        trace |= {f"step{k}.param.0.{name}": value for name, value in net.parameters().items()}
    return trace


RATE = 0.01


def rnn(case: Case) -> dict[str, Array]:
    """SimpleRNN in a case of torch's RNN, its gradients read back from the updates that it makes."""
    config = case.config
    if not case["input"].size:
        raise NotImplementedError("the mean over an empty batch")
    if config["num_layers"] > 1 or config["bidirectional"] or not config["bias"]:
        raise NotImplementedError("one layer, one direction, with a bias")

    def turn(array: Array) -> Array:
        return array if config["batch_first"] else array.swapaxes(0, 1)

    bias = case["bias_ih_l0"] + case["bias_hh_l0"]
    net = Net(case["weight_ih_l0"].T, case["weight_hh_l0"].T, bias, RATE, config["nonlinearity"], last_only=False)
    output = net.forward(turn(case["input"]))
    before = net.parameters()
    upstream = turn(case["d_output"]) if "d_output" in case else np.zeros_like(output)
    if "d_h_n" in case:
        upstream[:, -1] += case["d_h_n"][0]
    d_input = net.backward(upstream)
    grads = {f"grad.{name}": (before[name] - value) / RATE for name, value in net.parameters().items()}
    states = {"output": turn(output), "h_n": output[:, -1][None], "grad.input": turn(d_input)}
    initial = {"grad.h_0": np.zeros_like(case["h_0"])} if "h_0" in case else {}
    return states | initial | grads
