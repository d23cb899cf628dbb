"""Optimizers, as ``torch.optim`` computes them, simplest first.

Each is a frozen dataclass of torch's arguments with two functions:

    state = optimizer.init(params)
    params, state = optimizer.step(params, grads, state)

``params`` and ``grads`` map names to arrays, ``state`` maps the same names to what torch keeps per parameter
under torch's own keys. ``dataclasses.replace(optimizer, lr=...)`` changes a rate between steps. A parameter
without an entry in ``grads`` is left alone in that step, its state too, as torch does with a gradient of None.
An algorithm is its ``first_state`` and its ``update``, which reads like the pseudocode in torch's
documentation; all formulas are element-wise.

The symbols of that pseudocode: theta = param, g = grad, gamma = lr, lambda = weight_decay, mu = momentum.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from reference.checks import FLOATS, Array, Params, check_array, check_like

ParamState: TypeAlias = dict[str, Array]
State: TypeAlias = Mapping[str, Mapping[str, Array]]

BLOCK = 1 << 17
"""elements that an update works on at a time, so that the intermediate arrays of large parameters stay in the cache"""


@dataclass(frozen=True)
class Optimizer:
    """What all algorithms share: walking over the parameters, never the mathematics."""

    def init(self, params: Params) -> dict[str, ParamState]:
        """The state before the first step. torch creates most of it in a parameter's first step: empty here."""
        return {name: self.initial_state(param) for name, param in params.items()}

    def initial_state(self, param: Array) -> ParamState:
        """What torch keeps for a parameter before it has seen a gradient."""
        return {}

    def first_state(self, param: Array) -> ParamState:
        """The state that a parameter's first update starts from."""
        return self.initial_state(param)

    def update(self, param: Array, grad: Array, state: ParamState) -> tuple[Array, ParamState]:
        """One step of one parameter: its new value and its new state, element by element."""
        raise NotImplementedError

    def step(
        self,
        params: Params,
        grads: Params,
        state: State,
        out: tuple[Mapping[str, Array], Mapping[str, Mapping[str, Array]]] | None = None,
    ) -> tuple[dict[str, Array], dict[str, ParamState]]:
        """Update every parameter that has a gradient.

        Args:
            params, grads: arrays by name, equal shapes and dtypes; a missing gradient, or None, leaves the
                parameter and its state as they are.
            state: from ``init`` or the previous step.
            out: (params, state) whose arrays receive the result; they may be the ones passed in, each under the
                name it has there. Without it every array of the result is new, or is one that this step
                leaves alone.

        Raises:
            TypeError: not an array.
            RuntimeError: a gradient's or an ``out`` array's shape or dtype is not its parameter's.
            KeyError: a gradient or a state for a parameter that does not exist, or no state for one that does.
        """
        _check(params, grads, state)
        new_params: dict[str, Array] = {}
        new_state: dict[str, ParamState] = {}
        for name, param in params.items():
            grad, entries = grads.get(name), dict(state[name])
            out_param, out_state = _NOWHERE if out is None else (out[0].get(name), out[1][name])
            if grad is not None:
                before = entries or self.first_state(param)
                if param.size <= BLOCK:
                    param, entries = self._update_whole(param, grad, before)
                else:
                    param, entries = self._update_in_blocks(param, grad, before, out_param, out_state)
            if out is not None:
                param = _write(name, out_param, param)
                entries = {key: _write(key, out_state.get(key), value) for key, value in entries.items()}
            new_params[name], new_state[name] = param, entries
        return new_params, new_state

    def _update_whole(self, param: Array, grad: Array, state: ParamState) -> tuple[Array, ParamState]:
        new_param, new_state = self.update(param, grad, state)
        if param.ndim:
            return new_param, new_state
        # NumPy's arithmetic turns 0-d arrays into scalars
        return np.asanyarray(new_param), {key: np.asanyarray(value) for key, value in new_state.items()}

    def _update_in_blocks(
        self, param: Array, grad: Array, state: ParamState, out_param: Array | None, out_state: Mapping[str, Array]
    ) -> tuple[Array, ParamState]:
        # a 0-d entry belongs to the parameter as a whole, the others have one value per element
        whole = {key: value for key, value in state.items() if value.ndim == 0}
        flat = {key: value.reshape(-1) for key, value in state.items() if value.ndim}
        flat_param, flat_grad = param.reshape(-1), grad.reshape(-1)
        new_param, new_state = _room(out_param, param), {}
        for start in range(0, param.size, BLOCK):
            block = slice(start, start + BLOCK)
            part = whole | {key: value[block] for key, value in flat.items()}
            # all of a block is computed before any of it is written: out may be what the block is read from
            new_param.reshape(-1)[block], part = self.update(flat_param[block], flat_grad[block], part)
            for key, value in part.items():
                if value.ndim == 0:
                    new_state[key] = value
                    continue
                if key not in new_state:
                    new_state[key] = _room(out_state.get(key), param)
                new_state[key].reshape(-1)[block] = value
        return new_param, new_state


_NOWHERE: tuple[None, dict[str, Array]] = (None, {})


def _room(target: Array | None, param: Array) -> Array:
    """Where blocks are written: ``target`` if a flat view of it reaches its elements, otherwise a new array."""
    if (
        isinstance(target, np.ndarray)
        and target.flags.c_contiguous
        and (target.shape, target.dtype) == (param.shape, param.dtype)
    ):
        return target
    return np.empty_like(param, order="C")


def _write(name: str, target: Array | None, value: Array) -> Array:
    if target is None or target is value:
        # torch, too, allocates an entry in the step that first needs it
        return value
    check_like(f"out {name}", target, value.shape, value.dtype)
    target[...] = value
    return target


def _check(params: Params, grads: Params, state: State) -> None:
    for name, param in params.items():
        check_array(f"parameter {name}", param)
        if param.dtype not in FLOATS:
            raise RuntimeError(f"parameter {name} must be float32, float64 or longdouble, got {param.dtype}")
        if name not in state:
            raise KeyError(f"no state for parameter {name}: expected the state of init() or of the previous step")
        grad = grads.get(name)
        if grad is not None:
            check_like(f"gradient of {name}", grad, param.shape, param.dtype)
    for kind, names in (("gradient", grads), ("state", state)):
        for name in names:
            if name not in params:
                raise KeyError(f"{kind} for an unknown parameter {name}")


def _check_at_least_zero(**values: float) -> None:
    for name, value in values.items():
        if not value >= 0.0:
            raise ValueError(f"Invalid {name.replace('_', ' ')} value: {value}, expected at least 0")


def _count(step: Array) -> Array:
    """The next step number; torch keeps it as a float32 scalar whatever the parameters' dtype."""
    return np.array(float(step) + 1, dtype=np.float32)


_ZERO_STEPS = np.zeros((), dtype=np.float32)


@dataclass(frozen=True)
class SGD(Optimizer):
    """Stochastic gradient descent, with momentum (Polyak 1964; Sutskever et al. 2013 for Nesterov's form).

        g <- g + lambda theta
        b <- mu b + (1 - dampening) g         (b <- g at the first step, without dampening)
        g <- g + mu b  if nesterov, else b
        theta <- theta - gamma g

    The rate multiplies the velocity, it is not inside it: after a change of ``lr`` the two forms differ.
    State: ``momentum_buffer`` with momentum, otherwise none.
    """

    lr: float = 1e-3
    momentum: float = 0
    dampening: float = 0
    weight_decay: float = 0
    nesterov: bool = False
    maximize: bool = False

    def __post_init__(self) -> None:
        # torch lets a rate of NaN through here, in the other algorithms it does not
        if self.lr < 0.0:
            raise ValueError(f"Invalid learning rate: {self.lr}")
        if self.momentum < 0.0:
            raise ValueError(f"Invalid momentum value: {self.momentum}")
        if self.weight_decay < 0.0:
            raise ValueError(f"Invalid weight_decay value: {self.weight_decay}")
        if self.nesterov and (self.momentum <= 0 or self.dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")

    def update(self, param: Array, grad: Array, state: ParamState) -> tuple[Array, ParamState]:
        if self.maximize:
            grad = -grad
        if self.weight_decay != 0:
            grad = grad + self.weight_decay * param
        direction = grad
        if self.momentum != 0:
            if "momentum_buffer" in state:
                buffer = self.momentum * state["momentum_buffer"] + (1 - self.dampening) * grad
            else:
                buffer = grad.copy()
            direction = grad + self.momentum * buffer if self.nesterov else buffer
            state = state | {"momentum_buffer": buffer}
        return param - self.lr * direction, state


@dataclass(frozen=True)
class Adagrad(Optimizer):
    """Adagrad (Duchi, Hazan and Singer 2011).

        g <- g + lambda theta
        s <- s + g^2                                         (from initial_accumulator_value)
        theta <- theta - gamma / (1 + (t - 1) lr_decay) g / (sqrt(s) + epsilon)

    Epsilon stands outside the root; several frameworks put it inside and start s at 0.1.
    State: ``step``, ``sum``, both there before the first step.
    """

    lr: float = 1e-2
    lr_decay: float = 0
    weight_decay: float = 0
    initial_accumulator_value: float = 0
    eps: float = 1e-10
    maximize: bool = False

    def __post_init__(self) -> None:
        _check_at_least_zero(
            learning_rate=self.lr,
            lr_decay=self.lr_decay,
            weight_decay=self.weight_decay,
            initial_accumulator_value=self.initial_accumulator_value,
            epsilon=self.eps,
        )

    def initial_state(self, param: Array) -> ParamState:
        return {"step": _ZERO_STEPS.copy(), "sum": np.full_like(param, self.initial_accumulator_value)}

    def update(self, param: Array, grad: Array, state: ParamState) -> tuple[Array, ParamState]:
        eps = self.eps
        step = _count(state["step"])
        if self.maximize:
            grad = -grad
        if self.weight_decay != 0:
            grad = grad + self.weight_decay * param
        lr = self.lr / (1 + (float(step) - 1) * self.lr_decay)
        total = state["sum"] + grad * grad
        denominator = np.sqrt(total) + eps
        return param - lr * grad / denominator, {"step": step, "sum": total}


@dataclass(frozen=True)
class RMSprop(Optimizer):
    """RMSprop (Hinton 2012, lecture 6 of "Neural networks for machine learning"; Graves 2013 for centered).

        g <- g + lambda theta
        v <- alpha v + (1 - alpha) g^2
        m <- alpha m + (1 - alpha) g,  a <- v - m^2          (centered; otherwise a <- v)
        b <- mu b + g / (sqrt(a) + epsilon)                  (with momentum)
        theta <- theta - gamma b                             (otherwise gamma g / (sqrt(a) + epsilon))

    Epsilon stands outside the root; several frameworks put it inside.
    State: ``step``, ``square_avg``, with momentum ``momentum_buffer``, centered ``grad_avg``.
    """

    lr: float = 1e-2
    alpha: float = 0.99
    eps: float = 1e-8
    weight_decay: float = 0
    momentum: float = 0
    centered: bool = False
    maximize: bool = False

    def __post_init__(self) -> None:
        _check_at_least_zero(
            learning_rate=self.lr,
            epsilon=self.eps,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
            alpha=self.alpha,
        )

    def first_state(self, param: Array) -> ParamState:
        state = {"step": _ZERO_STEPS.copy(), "square_avg": np.zeros_like(param)}
        if self.momentum > 0:
            state["momentum_buffer"] = np.zeros_like(param)
        if self.centered:
            state["grad_avg"] = np.zeros_like(param)
        return state

    def update(self, param: Array, grad: Array, state: ParamState) -> tuple[Array, ParamState]:
        alpha, eps = self.alpha, self.eps
        new = {"step": _count(state["step"])}
        if self.maximize:
            grad = -grad
        if self.weight_decay != 0:
            grad = grad + self.weight_decay * param
        variance = new["square_avg"] = alpha * state["square_avg"] + (1 - alpha) * grad * grad
        if self.centered:
            mean = new["grad_avg"] = alpha * state["grad_avg"] + (1 - alpha) * grad
            variance = variance - mean * mean
        denominator = np.sqrt(variance) + eps
        direction = grad / denominator
        if self.momentum > 0:
            direction = new["momentum_buffer"] = self.momentum * state["momentum_buffer"] + direction
        return param - self.lr * direction, new


@dataclass(frozen=True)
class Adam(Optimizer):
    """Adam (Kingma and Ba 2015), with AMSGrad (Reddi, Kale and Kumar 2018).

        g <- g + lambda theta
        m <- beta1 m + (1 - beta1) g
        v <- beta2 v + (1 - beta2) g^2
        v_max <- max(v_max, v), used in place of v below     (amsgrad: the maximum before bias correction)
        theta <- theta - gamma / (1 - beta1^t) m / (sqrt(v) / sqrt(1 - beta2^t) + epsilon)

    Epsilon is added after bias correction; the "epsilon hat" form of several frameworks adds it before.
    State: ``step``, ``exp_avg``, ``exp_avg_sq``, with amsgrad ``max_exp_avg_sq``.
    """

    lr: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0
    amsgrad: bool = False
    maximize: bool = False

    def __post_init__(self) -> None:
        _check_at_least_zero(learning_rate=self.lr, epsilon=self.eps, weight_decay=self.weight_decay)
        if len(self.betas) != 2:
            raise ValueError(f"betas must be two numbers, got {self.betas}")
        for index, beta in enumerate(self.betas):
            if not 0.0 <= beta < 1.0:
                raise ValueError(f"Invalid beta parameter at index {index}: {beta}, expected in [0, 1)")
        if not all(isinstance(beta, float) for beta in self.betas):
            raise ValueError(f"betas must be floats, got {self.betas}")

    def first_state(self, param: Array) -> ParamState:
        state = {"step": _ZERO_STEPS.copy(), "exp_avg": np.zeros_like(param), "exp_avg_sq": np.zeros_like(param)}
        if self.amsgrad:
            state["max_exp_avg_sq"] = np.zeros_like(param)
        return state

    def update(self, param: Array, grad: Array, state: ParamState) -> tuple[Array, ParamState]:
        if self.maximize:
            grad = -grad
        if self.weight_decay != 0:
            grad = grad + self.weight_decay * param
        return self._moments(param, grad, state)

    def _moments(self, param: Array, grad: Array, state: ParamState) -> tuple[Array, ParamState]:
        (beta1, beta2), eps = self.betas, self.eps
        step = _count(state["step"])
        t = float(step)
        bias_correction1 = 1 - beta1**t
        bias_correction2 = 1 - beta2**t
        exp_avg = beta1 * state["exp_avg"] + (1 - beta1) * grad
        exp_avg_sq = beta2 * state["exp_avg_sq"] + (1 - beta2) * grad * grad
        new = {"step": step, "exp_avg": exp_avg, "exp_avg_sq": exp_avg_sq}
        if self.amsgrad:
            exp_avg_sq = new["max_exp_avg_sq"] = np.maximum(state["max_exp_avg_sq"], exp_avg_sq)
        denominator = np.sqrt(exp_avg_sq) / bias_correction2**0.5 + eps
        return param - self.lr / bias_correction1 * exp_avg / denominator, new


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019).

        theta <- theta - gamma lambda theta,  then Adam with the gradient as it is

    The decay is multiplied by the rate, and its default is not 0.
    """

    weight_decay: float = 1e-2

    def update(self, param: Array, grad: Array, state: ParamState) -> tuple[Array, ParamState]:
        if self.maximize:
            grad = -grad
        if self.weight_decay != 0:
            param = param * (1 - self.lr * self.weight_decay)
        return self._moments(param, grad, state)
