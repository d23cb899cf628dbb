"""Layers and optimizers as classes with a forward / backward / update workflow.

The interface of a learner's notebook: a layer owns its weights, its initializer and its optimizer; ``forward``
keeps what ``backward`` needs; ``backward`` returns the gradient for the layer before and lets the optimizer
update the weights. The classes are thin: all mathematics is in the functional modules beside this one.

Where weights are (n_nodes1, n_nodes2), torch keeps the transpose, and where torch's RNN has two biases, these
layers have one: torch's ``bias_ih`` with ``bias_hh`` fixed at zero. As in torch, the gradient is that of the
loss as the caller defines it: no optimizer divides by the batch size, ``Softmax.backward`` is the gradient of
the *mean* cross-entropy, weights change only after the whole backward pass, every weight of every layer has
its own optimizer state, and any optimizer updates any layer. A layer computes in the dtype of its weights.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Protocol, TypeAlias
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from reference import activations, initializers, linear, optim, rnn
from reference.checks import Array

Algorithm: TypeAlias = optim.SGD | optim.Adagrad | optim.Adam


class Activation(Protocol):
    """What a layer asks of an activation: ``backward`` may use nothing but the output ``Z`` kept by ``forward``."""

    Z: Any

    def forward(self, A: Array) -> Array: ...

    def backward(self, dZ: Array) -> Array: ...


class Layer(Protocol):
    """What an optimizer asks of a layer."""

    def parameters(self) -> dict[str, Array]: ...

    def gradients(self) -> dict[str, Array]: ...


class WeightInitializer(Protocol):
    """What a layer asks of an initializer: arrays (n_nodes1, n_nodes2) and (1, n_nodes2)."""

    def W(self, n_nodes1: int, n_nodes2: int) -> Array: ...

    def B(self, n_nodes2: int) -> Array: ...


class LayerOptimizer(Protocol):
    """What a layer asks of an optimizer."""

    def update(self, layer: Layer) -> Any: ...


# ---------------------------------------------------------------------------------------------- initializers


class SimpleInitializer:
    """Weights and biases from a Gaussian of standard deviation ``sigma``."""

    def __init__(
        self, sigma: float = 0.01, *, rng: np.random.Generator | None = None, dtype: DTypeLike = np.float32
    ) -> None:
        self.sigma = sigma
        self.rng = np.random.default_rng() if rng is None else rng
        self.dtype = dtype

    def W(self, n_nodes1: int, n_nodes2: int) -> Array:
        """Weights, (n_nodes1, n_nodes2).

        Raises:
            RuntimeError: a negative ``sigma``.
        """
        return initializers.gaussian((n_nodes1, n_nodes2), self.sigma, rng=self.rng, dtype=self.dtype)

    def B(self, n_nodes2: int) -> Array:
        """Bias, (1, n_nodes2).

        Raises:
            RuntimeError: a negative ``sigma``.
        """
        return initializers.gaussian((1, n_nodes2), self.sigma, rng=self.rng, dtype=self.dtype)


class _FanInitializer:
    """Weights whose spread follows from the layer's size; biases as torch's layers start them."""

    def __init__(self, *, rng: np.random.Generator | None = None, dtype: DTypeLike = np.float32) -> None:
        self.rng = np.random.default_rng() if rng is None else rng
        self.dtype = dtype

    def B(self, n_nodes2: int, fan_in: int | None = None) -> Array:
        """Uniform within +-1 / sqrt(n), n the fan-in for a fully connected layer, the layer's size for an RNN."""
        bound = initializers.rnn_bound(n_nodes2 if fan_in is None else fan_in)
        return initializers.uniform((1, n_nodes2), -bound, bound, rng=self.rng, dtype=self.dtype)


class XavierInitializer(_FanInitializer):
    """``xavier_normal``: standard deviation sqrt(2 / (n_nodes1 + n_nodes2)). For sigmoid and tanh."""

    def W(self, n_nodes1: int, n_nodes2: int) -> Array:
        """Weights, (n_nodes1, n_nodes2).

        Raises:
            ZeroDivisionError: no nodes on either side.
        """
        return initializers.xavier_normal((n_nodes2, n_nodes1), rng=self.rng, dtype=self.dtype).T


class HeInitializer(_FanInitializer):
    """``kaiming_normal`` for ReLU: standard deviation sqrt(2 / n_nodes1)."""

    def W(self, n_nodes1: int, n_nodes2: int) -> Array:
        """Weights, (n_nodes1, n_nodes2)."""
        shape = (n_nodes2, n_nodes1)
        return initializers.kaiming_normal(shape, nonlinearity="relu", rng=self.rng, dtype=self.dtype).T


# ------------------------------------------------------------------------------------------------ optimizers


class _LayerOptimizer:
    """Applies an algorithm of ``reference.optim`` to a layer, with a state of its own for every layer."""

    def __init__(self, algorithm: Algorithm) -> None:
        self.algorithm = algorithm
        self.states: WeakKeyDictionary[Any, dict[str, optim.ParamState]] = WeakKeyDictionary()

    @property
    def lr(self) -> float:
        """The learning rate; it may be changed between updates."""
        return self.algorithm.lr

    @lr.setter
    def lr(self, value: float) -> None:
        self.algorithm = replace(self.algorithm, lr=value)

    def update(self, layer: Any) -> Any:
        """Replace the layer's weights by their updated values, and return the layer."""
        params = layer.parameters()
        state = self.states.get(layer) or self.algorithm.init(params)
        updated, self.states[layer] = self.algorithm.step(params, layer.gradients(), state)
        for name, value in updated.items():
            setattr(layer, name, value)
        return layer


class SGD(_LayerOptimizer):
    """Stochastic gradient descent: w <- w - lr g.

    Raises:
        TypeError, ValueError: as ``reference.optim.SGD``, also on setting ``lr``.
    """

    def __init__(self, lr: float) -> None:
        super().__init__(optim.SGD(lr=lr))


class SGDrnn(SGD):
    """The same as SGD, which updates recurrent layers as well; kept for its name."""


class Momentum(_LayerOptimizer):
    """v <- momentum v + g; w <- w - lr v.

    Raises:
        TypeError, ValueError: as ``reference.optim.SGD``, also on setting ``lr``.
    """

    def __init__(self, lr: float = 0.01, momentum: float = 0.9) -> None:
        super().__init__(optim.SGD(lr=lr, momentum=momentum))
        self.momentum = momentum


class AdaGrad(_LayerOptimizer):
    """h <- h + g^2; w <- w - lr g / (sqrt(h) + 1e-10).

    Raises:
        TypeError, ValueError: as ``reference.optim.Adagrad``, also on setting ``lr``.
    """

    def __init__(self, lr: float) -> None:
        super().__init__(optim.Adagrad(lr=lr))


class Adam(_LayerOptimizer):
    """Adam with torch's epsilon, 1e-8 after bias correction.

    Raises:
        TypeError, ValueError: as ``reference.optim.Adam``, also on setting ``lr``.
    """

    def __init__(self, lr: float = 0.001, beta1: float = 0.9, beta2: float = 0.999) -> None:
        super().__init__(optim.Adam(lr=lr, betas=(beta1, beta2)))
        self.beta1, self.beta2 = beta1, beta2


# ----------------------------------------------------------------------------------------------- activations


class _Elementwise:
    """An activation of each number by itself: a function, and its gradient from the function's result."""

    function: staticmethod[[Array], Array]
    gradient: staticmethod[[Array, Array], Array]

    def __init__(self) -> None:
        self.Z: Any = None

    def forward(self, A: Array) -> Array:
        """Z, in the shape of A, (batch, ...).

        Raises:
            TypeError: not an array.
            NotImplementedError: not of a float dtype.
        """
        self.Z = Z = self.function(A)
        return Z

    def backward(self, dZ: Array) -> Array:
        """Gradient with respect to A, given that with respect to Z.

        Raises:
            TypeError: not an array.
            RuntimeError: ``forward`` has not run, or another shape or dtype than Z has.
        """
        return self.gradient(dZ, _kept(self.Z))


class sigmoid(_Elementwise):
    """1 / (1 + e^-A)."""

    function = staticmethod(activations.sigmoid)
    gradient = staticmethod(activations.sigmoid_backward)


Sigmoid = sigmoid


class Tanh(_Elementwise):
    """Hyperbolic tangent."""

    function = staticmethod(activations.tanh)
    gradient = staticmethod(activations.tanh_backward)


class ReLU(_Elementwise):
    """max(A, 0)."""

    function = staticmethod(activations.relu)
    gradient = staticmethod(activations.relu_backward)


class Softmax:
    """Probabilities of the classes in each row, (batch, classes)."""

    def __init__(self) -> None:
        self.Z: Any = None

    def forward(self, A: Array) -> Array:
        """Z, in the shape of A, (batch, classes).

        Raises:
            TypeError: not an array.
            NotImplementedError: not of a float dtype.
            IndexError: fewer than two axes.
        """
        self.Z = Z = activations.softmax(A, dim=1)
        return Z

    def backward(self, y: Array) -> Array:
        """Gradient with respect to A of the mean cross-entropy, given the targets' probabilities (one-hot).

        Raises:
            RuntimeError: ``forward`` has not run.
            ValueError: ``y`` has another shape than Z, or is no array of numbers.
        """
        if np.shape(y) != _kept(self.Z).shape:
            raise ValueError(f"y must be probabilities (one-hot) of shape {self.Z.shape}, got {np.shape(y)}")
        y = np.asarray(y, dtype=self.Z.dtype)
        d_A: Array = (self.Z - y) / len(y)
        return d_A


# ---------------------------------------------------------------------------------------------------- layers


class FC:
    """Fully connected layer from ``n_nodes1`` to ``n_nodes2``: A = X W + B.

    Attributes: ``W`` (n_nodes1, n_nodes2), ``B`` (1, n_nodes2); after ``forward`` the input ``Z``; after
    ``backward`` the gradient from above ``dA``, and ``dW`` and ``dB``.
    """

    def __init__(self, n_nodes1: int, n_nodes2: int, initializer: WeightInitializer, optimizer: LayerOptimizer) -> None:
        self.optimizer = optimizer
        self.model = linear.Linear(n_nodes1, n_nodes2)
        self.W = initializer.W(n_nodes1, n_nodes2)
        fan_in = (n_nodes1,) if isinstance(initializer, _FanInitializer) else ()
        self.B = initializer.B(n_nodes2, *fan_in)
        self.Z: Any = None
        self._cache: Any = None
        self.dA: Any = None
        self.dW: Any = None
        self.dB: Any = None

    def parameters(self) -> dict[str, Array]:
        """The weights by attribute, in one dtype."""
        return _one_dtype({"W": self.W, "B": _one_row(self.B, self.model.out_features)})

    def gradients(self) -> dict[str, Array]:
        """Their gradients by the same names; None before ``backward``."""
        return {"W": self.dW, "B": self.dB}

    def forward(self, X: ArrayLike) -> Array:
        """A, (batch, n_nodes2), for X, (batch, n_nodes1).

        Raises:
            RuntimeError: a wrong shape.
            ValueError: no array of numbers.
        """
        params = self._torch_params()
        self.Z = np.array(X, dtype=params["weight"].dtype, subok=True)
        output, self._cache = linear.forward(self.model, params, self.Z)
        return output

    def backward(self, dA: ArrayLike) -> Array:
        """Gradient with respect to X, from the weights as they were in ``forward``; then the update.

        Raises:
            RuntimeError: ``forward`` has not run, or a wrong shape.
            ValueError: no array of numbers.
        """
        params = self._torch_params()
        self.dA = np.array(dA, dtype=params["weight"].dtype, subok=True)
        grads = linear.backward(self.model, params, _kept(self._cache), self.dA)
        self.dW, self.dB = grads["weight"].T, grads["bias"][None]
        self.optimizer.update(self)
        return grads["input"]

    def _torch_params(self) -> dict[str, Array]:
        params = self.parameters()
        return {"weight": params["W"].T, "bias": params["B"][0]}


class _Recurrent:
    """What SimpleRNN and SimpleRNN2 share: everything but which states leave the layer."""

    def __init__(
        self,
        n_features: int,
        n_nodes: int,
        initializer: WeightInitializer,
        optimizer: LayerOptimizer,
        activation: Activation,
    ) -> None:
        self.optimizer = optimizer
        self.activation = activation
        self.n_features, self.n_nodes = n_features, n_nodes
        self.WX = initializer.W(n_features, n_nodes)
        self.Wh = initializer.W(n_nodes, n_nodes)
        self.B = initializer.B(n_nodes)
        self.X: Any = None
        self.A: Any = None
        self.ht: Any = None
        self._steps: Any = None
        self.dA: Any = None
        self.dWX: Any = None
        self.dWh: Any = None
        self.dB: Any = None
        self.dh0: Any = None

    def parameters(self) -> dict[str, Array]:
        """The weights by attribute, in one dtype."""
        return _one_dtype({"WX": self.WX, "Wh": self.Wh, "B": _one_row(self.B, self.n_nodes)})

    def gradients(self) -> dict[str, Array]:
        """Their gradients by the same names; None before ``backward``."""
        return {"WX": self.dWX, "Wh": self.dWh, "B": self.dB}

    def _run(self, X: ArrayLike, h_0: ArrayLike | None) -> None:
        params = self._torch_params()
        dtype = params["weight_ih"].dtype
        self.X = np.array(X, dtype=dtype, subok=True)
        if self.X.ndim != 3 or self.X.shape[2] != self.n_features or self.X.shape[1] == 0:
            raise ValueError(f"X must have shape (batch_size, n_sequences > 0, {self.n_features}), got {self.X.shape}")
        x = self.X.swapaxes(0, 1)
        state_shape = (x.shape[1], self.n_nodes)
        initial = np.zeros_like(x, shape=state_shape) if h_0 is None else np.array(h_0, dtype=dtype, subok=True)
        if initial.shape != state_shape:
            raise ValueError(f"h_0 must have shape {state_shape}, got {initial.shape}")
        self._steps = rnn.direction_forward(_nonlinearity(self.activation), params, x, [initial])
        (states,) = self._steps.states
        self.A = states[1:].swapaxes(0, 1)
        self.ht = states[-1]

    def _backward(self, d_states: Array) -> Array:
        nothing = np.zeros_like(d_states[0])
        d_x, (self.dh0,), grads = rnn.direction_backward(
            _nonlinearity(self.activation), self._torch_params(), self._steps, [d_states], [nothing]
        )
        self.dWX, self.dWh, self.dB = grads["weight_ih"].T, grads["weight_hh"].T, grads["bias_ih"][None]
        self.optimizer.update(self)
        return d_x.swapaxes(0, 1)

    def _torch_params(self) -> dict[str, Array]:
        params = self.parameters()
        bias = params["B"][0]
        return {
            "weight_ih": params["WX"].T,
            "weight_hh": params["Wh"].T,
            "bias_ih": bias,
            "bias_hh": np.zeros_like(bias),
        }


class SimpleRNN(_Recurrent):
    """Recurrent layer whose output is the state after every step: h_t = activation(x_t WX + h_{t-1} Wh + B).

    Attributes: ``WX`` (n_features, n_nodes), ``Wh`` (n_nodes, n_nodes), ``B`` (1, n_nodes); after ``forward``
    the input ``X``, all states ``A`` (batch, sequence, n_nodes) and the last one ``ht``; after ``backward``
    the gradient from above ``dA``, and ``dWX``, ``dWh``, ``dB`` and ``dh0``.
    """

    def forward(self, X: ArrayLike, h_0: ArrayLike | None = None) -> Array:
        """A, (batch, sequence, n_nodes), for X, (batch, sequence, n_features), and h_0, (batch, n_nodes).

        Raises:
            ValueError: a wrong shape, no steps, or no array of numbers.
        """
        self._run(X, h_0)
        states: Array = self.A
        return states

    def backward(self, dA: ArrayLike) -> Array:
        """Gradient with respect to X, then the update; ``dA`` has the shape of A.

        Raises:
            RuntimeError: ``forward`` has not run.
            ValueError: a wrong shape, or no array of numbers.
        """
        self.dA = _upstream(dA, self.A)
        return self._backward(self.dA.swapaxes(0, 1))


class SimpleRNN2(_Recurrent):
    """The same layer when only the state after the last step leaves it, (batch, n_nodes)."""

    def forward(self, X: ArrayLike, h_0: ArrayLike | None = None) -> Array:
        """The last state, (batch, n_nodes), for X, (batch, sequence, n_features), and h_0, (batch, n_nodes).

        Raises:
            ValueError: a wrong shape, no steps, or no array of numbers.
        """
        self._run(X, h_0)
        last: Array = self.ht
        return last

    def backward(self, dA: ArrayLike) -> Array:
        """Gradient with respect to X, then the update; ``dA`` has the shape of the last state.

        Raises:
            RuntimeError: ``forward`` has not run.
            ValueError: a wrong shape, or no array of numbers.
        """
        self.dA = _upstream(dA, self.ht)
        d_states = np.zeros_like(self._steps.states[0][1:])
        d_states[-1] = self.dA
        return self._backward(d_states)


def _nonlinearity(activation: Activation) -> rnn.Nonlinearity:
    """An activation as the recurrence wants it: each step's output is all that its derivative needs."""

    def forward(pre: Array, out: Array) -> None:
        out[...] = activation.forward(pre)

    def backward(d_h: Array, h_t: Array, out: Array) -> None:
        activation.Z = h_t
        out[...] = activation.backward(d_h)

    return rnn.Nonlinearity(forward, lambda h: h, backward)


def _kept(value: Any) -> Any:
    """What ``forward`` kept for ``backward``."""
    if value is None:
        raise RuntimeError("backward needs what forward keeps: call forward first")
    return value


def _upstream(dA: ArrayLike, like: Array) -> Array:
    array = np.array(dA, dtype=_kept(like).dtype, subok=True)
    if array.shape != like.shape:
        raise ValueError(f"dA must have the shape of the layer's output, {like.shape}, got {array.shape}")
    return array


def _one_row(bias: Array, n_nodes: int) -> Array:
    """A bias for every unit, (1, n_nodes), from one that may have been set to a single number."""
    return np.broadcast_to(bias, (1, n_nodes), subok=True)


def _one_dtype(arrays: dict[str, Array]) -> dict[str, Array]:
    dtype = np.result_type(*arrays.values())
    return {name: value.astype(dtype, copy=False) for name, value in arrays.items()}
