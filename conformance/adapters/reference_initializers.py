"""The reference's initializers: fans, gains and bounds, and what they make of given draws."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from conformance.case import Array, Case
from conformance.trace import Trace
from reference import gru, initializers, linear, lstm, notebook, rnn
from reference.cells import Cell
from reference.recurrent import Network


def initializer(case: Case) -> Trace:
    config = dict(case.config)
    name, shape = config.pop("function"), tuple(config.pop("shape"))
    if name == "calculate_gain":
        return {"gain": _number(initializers.calculate_gain(**config), case)}
    fan_in, fan_out = initializers.fan_in_and_fan_out(shape)
    trace = {"fan_in": _number(fan_in, case), "fan_out": _number(fan_out, case)}
    if name.endswith("_default") and name != "linear_default":
        model = _MODELS[name.removesuffix("_default")](**config)
        params = initializers.rnn_parameters(model, rng=_Extremes(), dtype=case.dtype)
        blocks = {key: value.reshape(_blocks(key, model.gates), -1) for key, value in params.items()}
        return trace | {f"bound.{key}": value[:, 0] for key, value in blocks.items()}
    if name == "linear_default":
        bounds = initializers.linear_bounds(linear.Linear(shape[1], shape[0]))
        return trace | {f"bound.{key}": _number(value, case) for key, value in bounds.items()}
    if name in ("XavierInitializer", "HeInitializer"):
        start = getattr(notebook, name)(rng=_Extremes(), dtype=case.dtype)
        layer = notebook.FC(fan_in, fan_out, start, notebook.SGD(lr=0.1))
        return trace | {"std": layer.W[0, 0], "bound.bias": layer.B[0, 0]}
    if name in ("uniform", "normal"):
        upper, lower = (
            getattr(initializers, name)(shape, **config, rng=_Extremes(end), dtype=case.dtype)[0, 0] for end in (1, -1)
        )
        if name == "uniform":
            return trace | {"low": lower, "high": upper}
        return trace | {"mean": (upper + lower) / 2, "std": (upper - lower) / 2}
    drawn = getattr(initializers, name)(shape, **config, rng=_Extremes(), dtype=case.dtype)
    return trace | {"bound" if name.endswith("uniform") else "std": drawn.flat[0]}


_MODELS: dict[str, Callable[..., Network | Cell]] = {
    "rnn": rnn.RNN,
    "lstm": lstm.LSTM,
    "gru": gru.GRU,
    "rnn_cell": rnn.RNNCell,
    "lstm_cell": lstm.LSTMCell,
    "gru_cell": gru.GRUCell,
}


def _blocks(parameter: str, gates: int) -> int:
    """How many blocks of rows a parameter has, one for each gate; a projection has no gates."""
    return 1 if parameter.startswith("weight_hr") else gates


class _Extremes(np.random.Generator):
    """Draws that show the distribution they come from: one standard deviation from the mean, or a bound."""

    def __init__(self, end: int = 1) -> None:
        super().__init__(np.random.PCG64(0))
        self.end = end
        """1 above the mean, -1 below"""

    def normal(self, loc: Any = 0.0, scale: Any = 1.0, size: Any = None) -> Any:
        return np.full(size, loc + self.end * scale)

    def uniform(self, low: Any = 0.0, high: Any = 1.0, size: Any = None) -> Any:
        return np.full(size, high if self.end > 0 else low)


def initializer_values(case: Case) -> Trace:
    config = dict(case.config)
    name, shape = config.pop("function"), tuple(config.pop("shape"))
    if "draws" in case:
        config["rng"] = _Given(case["draws"])
    return {"output": getattr(initializers, name)(shape, **config, dtype=case.dtype)}


class _Given(np.random.Generator):
    """Standard normal draws that a case gives."""

    def __init__(self, draws: Array) -> None:
        super().__init__(np.random.PCG64(0))
        self.draws = draws

    def normal(self, loc: Any = 0.0, scale: Any = 1.0, size: Any = None) -> Any:
        return loc + scale * self.draws.reshape(size)


def _number(value: float, case: Case) -> Array:
    number: Array = case.dtype.type(value)
    return number
