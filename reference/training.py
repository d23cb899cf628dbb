"""A training loop: many-to-one classification of sequences, step by step as torch's users write it.

    output, h_n = rnn(x)                            optimizer.zero_grad()
    logits = linear(output[-1])                     loss.backward()
    loss = cross_entropy(logits, target)            optimizer.step()

The linear layer reads the output at the last step. In a bidirectional network that is the forward direction's final
state beside the reverse direction's first, which has seen one step only. Every batch starts from a state of zeros.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from reference import gru, linear, lstm, rnn
from reference.checks import Array, Params, Shape, check_params
from reference.linear import Linear
from reference.losses import cross_entropy, cross_entropy_backward
from reference.optim import Optimizer
from reference.optim.base import ParamState

MODULES: dict[str, Any] = {"RNN": rnn, "LSTM": lstm, "GRU": gru}


@dataclass(frozen=True)
class Classifier:
    """A recurrent network, and the linear layer from its output at the last step to a score for each class.

    Parameters are named as in a torch module with these two attributes, the network's being its class in lower case:
    ``rnn.weight_ih_l0``, ..., ``linear.weight``, ``linear.bias``.
    """

    network: rnn.RNN | lstm.LSTM | gru.GRU
    linear: Linear

    @cached_property
    def name(self) -> str:
        """What the network's parameters begin with."""
        return type(self.network).__name__.lower()

    @cached_property
    def parameter_shapes(self) -> dict[str, Shape]:
        """Names and shapes of the parameters, in the order of torch's ``state_dict``."""
        shapes = {f"{self.name}.{name}": shape for name, shape in self.network.parameter_shapes.items()}
        return shapes | {f"linear.{name}": shape for name, shape in self.linear.parameter_shapes.items()}


class Step(NamedTuple):
    """What one step of training has computed; parameters and state are those after it."""

    loss: Array
    grads: dict[str, Array]
    params: dict[str, Array]
    state: dict[str, ParamState]


def loss_and_gradients(model: Classifier, params: Params, x: Array, target: Array) -> tuple[Array, dict[str, Array]]:
    """The mean cross-entropy over a batch, and its gradients with respect to all parameters.

    Args:
        params: names and shapes of ``model.parameter_shapes``, one dtype.
        x: (T, B, I), or (B, T, I) if the network is ``batch_first``.
        target: (B,) integers, the class of each sequence.

    Raises:
        TypeError, ValueError, RuntimeError: as the layers and ``cross_entropy`` do.
        IndexError: a class that does not exist.
        NotImplementedError: complex numbers.
    """
    check_params(params, model.parameter_shapes)
    network_params = {name: params[f"{model.name}.{name}"] for name in model.network.parameter_shapes}
    linear_params = {name: params[f"linear.{name}"] for name in model.linear.parameter_shapes}
    module = MODULES[type(model.network).__name__]
    last = (slice(None), -1) if model.network.batch_first else (-1,)

    output, *_, cache = module.forward(model.network, network_params, x)
    features = output[last]
    logits, linear_cache = linear.forward(model.linear, linear_params, features)
    loss = cross_entropy(logits, target)

    d_logits = cross_entropy_backward(loss.dtype.type(1), logits, target)
    linear_grads = linear.backward(model.linear, linear_params, linear_cache, d_logits)
    d_features = linear_grads.pop("input")
    d_output = np.zeros_like(output)
    d_output[last] = d_features
    network_grads = module.backward(model.network, network_params, cache, d_output)

    grads = {f"{model.name}.{name}": network_grads[name] for name in network_params}
    return loss, grads | {f"linear.{name}": grad for name, grad in linear_grads.items()}


def train(
    model: Classifier, optimizer: Optimizer, params: Params, batches: Iterable[tuple[Array, Array]]
) -> Iterator[Step]:
    """Train on one batch (x, target) after another, each with the gradients of its own loss and of nothing else.

    Raises:
        TypeError, ValueError, RuntimeError, IndexError, NotImplementedError: as ``loss_and_gradients`` and the
            optimizer do.
        KeyError, ZeroDivisionError, OverflowError: as the optimizer does.
    """
    state = optimizer.init(params)
    for x, target in batches:
        loss, grads = loss_and_gradients(model, params, x, target)
        params, state = optimizer.step(params, grads, state)
        yield Step(loss, grads, params, state)
