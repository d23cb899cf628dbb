"""What all algorithms share: walking over the parameters, working through large ones in blocks, checks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, TypeAlias

import numpy as np

from reference.checks import ARRAYS, FLOATS, Array, Params, check_array, check_like
from reference.optim.sparse_gradient import SparseGradient

ParamState: TypeAlias = dict[str, Array]
State: TypeAlias = Mapping[str, Mapping[str, Array]]

BLOCK = 1 << 17
"""elements that an update works on at a time, so that the intermediate arrays of large parameters stay in the cache"""


@dataclass(frozen=True)
class Optimizer:
    """What all algorithms share: walking over the parameters, never the mathematics.

    Raises:
        TypeError: an option that is no number, where one is compared.
        ValueError: an option that torch refuses; each algorithm says which.
    """

    elementwise: ClassVar[bool] = True
    """whether an element's update depends on that element only: then large parameters are updated in blocks"""

    def __post_init__(self) -> None:
        options_as_python(self)
        self.check_own()

    def check_own(self) -> None:
        """Refuse the options that torch refuses."""

    def init(self, params: Params) -> dict[str, ParamState]:
        """The state before the first step. torch creates most of it in a parameter's first step: empty here.

        Raises:
            TypeError: parameters that are no dict of arrays.
            ValueError: no parameters, or one that the algorithm does not take: not 2-D for Muon, complex for
                SparseAdam.
        """
        check_given(params)
        return {name: self.initial_state(param) for name, param in params.items()}

    def initial_state(self, param: Array) -> ParamState:
        """What torch keeps for a parameter before it has seen a gradient."""
        return {}

    def first_state(self, param: Array) -> ParamState:
        """The state that a parameter's first update starts from."""
        return self.initial_state(param)

    def update(self, param: Array, grad: Array, state: ParamState) -> tuple[Array, ParamState]:
        """One step of one parameter: its new value and its new state."""
        raise NotImplementedError

    def update_rows(self, param: Array, grad: SparseGradient, state: ParamState) -> tuple[Array, ParamState]:
        """The same for a sparse gradient."""
        raise NotImplementedError

    def check_gradient(self, name: str, param: Array, grad: Any) -> None:
        """Raise unless the gradient belongs to the parameter."""
        # only what is wrong pays for a message: with small parameters the checks are a good part of a step
        if isinstance(grad, np.ndarray) and grad.shape == param.shape and grad.dtype == param.dtype:
            return
        if isinstance(grad, SparseGradient):
            self.check_sparse_gradient(name, param, grad)
        else:
            check_like(f"gradient of {name}", grad, param.shape, param.dtype)

    def check_sparse_gradient(self, name: str, param: Array, grad: SparseGradient) -> None:
        """Raise unless the algorithm takes sparse gradients and this one belongs to the parameter."""
        raise RuntimeError(f"{type(self).__name__} does not support sparse gradients, got one for {name}")

    def step(
        self,
        params: Params,
        grads: Mapping[str, Array | SparseGradient],
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
            TypeError: not an array, or for SparseAdam not a sparse gradient; a rate that is complex (ASGD with a
                negative ``lambd``), of which torch takes the real part.
            RuntimeError: a parameter of another dtype than float32, float64 or longdouble; a gradient's or an ``out``
                array's shape or dtype is not its parameter's; a sparse gradient that the algorithm does not take,
                beside weight decay, or with rows outside of the parameter; a dense one for SparseAdam.
            KeyError: a gradient or a state for a parameter that does not exist, no state for one that does (in ``out``
                too), or a state without what the options need (``amsgrad``, or RMSprop's ``momentum`` or
                ``centered``, switched on later).
            ValueError: Muon's ``ns_steps`` of 100 or more, or not three ``ns_coefficients``; not two of Rprop's
                ``etas`` or ``step_sizes`` or of Adafactor's ``eps``.
            ZeroDivisionError: a parameter without elements for Adafactor, without columns for Muon (but with
                "match_rms_adamw"); options by which a rate has no value (ASGD with a negative ``lambd``).
            OverflowError: likewise (ASGD with a huge ``alpha``).
        """
        self._check(params, grads, state)
        new_params: dict[str, Array] = {}
        new_state: dict[str, ParamState] = {}
        for name, param in params.items():
            grad, entries = grads.get(name), dict(state[name])
            if grad is not None:
                before = entries or self.first_state(param)
                if isinstance(grad, SparseGradient):
                    param, entries = self.update_rows(param, grad, before)
                elif param.size > BLOCK and self.elementwise:
                    room = (None, {}) if out is None else (out[0].get(name), out[1][name])
                    param, entries = self._update_in_blocks(param, grad, before, *room)
                else:
                    param, entries = self.update(param, grad, before)
                    if not param.ndim:  # NumPy's arithmetic turns 0-d arrays into scalars
                        param, entries = np.asanyarray(param), {key: np.asanyarray(entries[key]) for key in entries}
            if out is not None:
                out_state = out[1][name]
                param = _write(name, out[0].get(name), param)
                entries = {key: _write(key, out_state.get(key), value) for key, value in entries.items()}
            new_params[name], new_state[name] = param, entries
        return new_params, new_state

    def _update_in_blocks(
        self, param: Array, grad: Any, state: ParamState, out_param: Array | None, out_state: Mapping[str, Array]
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

    def _check(self, params: Params, grads: Mapping[str, Any], state: State) -> None:
        for name, param in params.items():
            if not isinstance(param, np.ndarray):
                raise TypeError(f"parameter {name} must be a NumPy array, got {type(param).__name__}")
            if param.dtype not in FLOATS:
                raise RuntimeError(f"parameter {name} must be float32, float64 or longdouble, got {param.dtype}")
            if name not in state:
                raise KeyError(f"no state for parameter {name}: expected the state of init() or of the previous step")
            grad = grads.get(name)
            if grad is not None:
                self.check_gradient(name, param, grad)
        check_known("gradient", grads, params)
        check_known("state", state, params)


def options_as_python(optimizer: Any) -> None:
    """Turn NumPy's numbers into Python's, which leave the dtype of what they multiply alone."""
    for option in fields(optimizer):
        value = getattr(optimizer, option.name)
        if isinstance(option.default, tuple) and isinstance(value, tuple | list | np.ndarray):
            value = _several_as_python(tuple(value))
        object.__setattr__(optimizer, option.name, _as_python(value))


def _several_as_python(values: tuple[Any, ...]) -> tuple[Any, ...]:
    # arrays beside numbers are left to be refused: torch wants both to be numbers, or both tensors
    arrays = sum(isinstance(value, np.ndarray) for value in values)
    return values if 0 < arrays < len(values) else tuple(map(_as_python, values))


def _as_python(option: Any) -> Any:
    return option.item() if isinstance(option, ARRAYS) and option.size == 1 else option


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


def check_given(params: Any) -> None:
    """Raise TypeError for parameters that are no dict of arrays, ValueError if there are none."""
    if not isinstance(params, Mapping):
        raise TypeError(f"params must be a dict of arrays by name, got {type(params).__name__}")
    if not params:
        raise ValueError("optimizer got an empty parameter list")
    for name, param in params.items():
        check_array(f"parameter {name}", param)


def check_known(kind: str, given: Mapping[str, object], params: Params) -> None:
    """Raise KeyError for something that is given for a parameter that does not exist."""
    if not given.keys() <= params.keys():
        unknown = next(name for name in given if name not in params)
        raise KeyError(f"{kind} for an unknown parameter {unknown}")


def check_at_least_zero(**values: float) -> None:
    """Raise ValueError for a value that is below 0, or NaN."""
    for name, value in values.items():
        if not value >= 0.0:
            raise ValueError(f"Invalid {name.replace('_', ' ')} value: {value}, expected at least 0")


def check_betas(betas: tuple[float, float]) -> None:
    """Raise ValueError unless there are two, each in [0, 1)."""
    if len(betas) != 2:
        raise ValueError(f"betas must be two numbers, got {betas}")
    for index, beta in enumerate(betas):
        if not 0.0 <= beta < 1.0:
            raise ValueError(f"Invalid beta parameter at index {index}: {beta}, expected in [0, 1)")


def count(step: Array) -> Array:
    """The next step number; torch keeps it as a float32 scalar whatever the parameters' dtype."""
    return np.array(float(step) + 1, dtype=np.float32)


ZERO_STEPS = np.zeros((), dtype=np.float32)
