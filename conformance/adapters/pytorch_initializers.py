"""torch's initializers: fans, gains and bounds as torch states them, and what it makes of given draws."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from conformance.adapters.pytorch_tensors import array_of, dtype_of, number_of
from conformance.case import Array, Case
from conformance.trace import Trace


def initializer(case: Case) -> Trace:
    """Fans and gain as torch states them; bounds and deviations from what torch draws.

    torch computes a bound inside the function that draws. Drawing once from the unit distribution and once
    through the initializer, from the same generator state, gives the same numbers but for that factor.
    """
    config = dict(case.config)
    name, shape = config.pop("function"), tuple(config.pop("shape"))
    if name == "calculate_gain":
        return {"gain": number_of(torch.nn.init.calculate_gain(**config), case)}
    fan_in, fan_out = torch.nn.init._calculate_fan_in_and_fan_out(torch.empty(shape))
    trace = {"fan_in": number_of(fan_in, case), "fan_out": number_of(fan_out, case)}
    if name == "linear_default":
        return trace | _linear_bounds(shape, case)
    if name.endswith("_default"):
        return trace | _recurrent_bounds(name.removesuffix("_default"), config, case)
    if name in ("XavierInitializer", "HeInitializer"):
        config = {"nonlinearity": "relu"} if name == "HeInitializer" else {}
        function = torch.nn.init.kaiming_normal_ if name == "HeInitializer" else torch.nn.init.xavier_normal_
        drawn = _draw(lambda: function(torch.empty(shape, dtype=dtype_of(case)), **config))
        std = _factor(drawn, _draw_unit("normal_", shape, case))
        return trace | {"std": std, "bound.bias": _linear_bounds(shape, case)["bound.bias"]}
    if name == "gaussian":
        drawn = _draw(lambda: torch.nn.init.normal_(torch.empty(shape, dtype=dtype_of(case)), 0.0, config["sigma"]))
        return trace | {"std": _factor(drawn, _draw_unit("normal_", shape, case))}
    function = getattr(torch.nn.init, f"{name}_")
    drawn = _draw(lambda: function(torch.empty(shape, dtype=dtype_of(case)), **config))
    if name in ("uniform", "normal"):
        intercept, slope = _line(_draw_unit(f"{name}_", shape, case), drawn)
        if name == "normal":
            return trace | {"mean": intercept, "std": slope}
        return trace | {"low": intercept - slope, "high": intercept + slope}
    if name.endswith("uniform"):
        return trace | {"bound": _factor(drawn, _draw_unit("uniform_", shape, case))}
    return trace | {"std": _factor(drawn, _draw_unit("normal_", shape, case))}


def initializer_values(case: Case) -> Trace:
    config = dict(case.config)
    name, shape = config.pop("function"), tuple(config.pop("shape"))
    with _Gaussian(case):
        values = getattr(torch.nn.init, f"{name}_")(torch.empty(shape, dtype=dtype_of(case)), **config)
    return {"output": array_of(values)}


class _Gaussian(TorchDispatchMode):
    """Where torch draws from the standard normal distribution, it draws what the case gives."""

    def __init__(self, case: Case) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.case = case

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten.normal_.default:
            return args[0].copy_(torch.from_numpy(self.case["draws"]))
        return func(*args, **(kwargs or {}))


_SEED = 20240229


def _linear_bounds(shape: tuple[int, ...], case: Case) -> Trace:
    layer = torch.nn.Linear(shape[1], shape[0], dtype=dtype_of(case))
    torch.manual_seed(_SEED)
    layer.reset_parameters()
    torch.manual_seed(_SEED)
    bounds: Trace = {}
    for key, parameter in layer.named_parameters():
        unit = torch.nn.init.uniform_(torch.empty_like(parameter), -1.0, 1.0)
        bounds[f"bound.{key}"] = _factor(parameter.detach(), unit)
    return bounds


_KINDS: dict[str, tuple[Callable[..., torch.nn.Module], int]] = {
    "rnn": (torch.nn.RNN, 1),
    "lstm": (torch.nn.LSTM, 4),
    "gru": (torch.nn.GRU, 3),
    "rnn_cell": (torch.nn.RNNCell, 1),
    "lstm_cell": (torch.nn.LSTMCell, 4),
    "gru_cell": (torch.nn.GRUCell, 3),
}
"""recurrent modules, and how many blocks of rows their parameters have"""


def _recurrent_bounds(name: str, config: Mapping[str, Any], case: Case) -> Trace:
    """The bound of every parameter, in each gate's block of rows."""
    kind, gates = _KINDS[name]
    torch.manual_seed(_SEED)
    module = kind(**config, dtype=dtype_of(case))
    torch.manual_seed(_SEED)
    bounds: Trace = {}
    for key, parameter in module.named_parameters():
        unit = torch.nn.init.uniform_(torch.empty_like(parameter), -1.0, 1.0)
        blocks = 1 if key.startswith("weight_hr") else gates
        pairs = zip(parameter.detach().chunk(blocks), unit.chunk(blocks), strict=True)
        bounds[f"bound.{key}"] = np.stack([_factor(drawn, of_unit) for drawn, of_unit in pairs])
    return bounds


def _line(unit: torch.Tensor, drawn: torch.Tensor) -> tuple[Array, Array]:
    """What was added to unit draws, and what they were multiplied by, from the two that are farthest apart."""
    ends = torch.stack([unit.argmin(), unit.argmax()])
    x, y = unit.flatten()[ends], drawn.flatten()[ends]
    slope = (y[1] - y[0]) / (x[1] - x[0])
    return array_of(y[0] - slope * x[0]), array_of(slope)


def _draw(initialize: Callable[[], torch.Tensor]) -> torch.Tensor:
    torch.manual_seed(_SEED)
    return initialize().detach()


def _draw_unit(name: str, shape: tuple[int, ...], case: Case) -> torch.Tensor:
    arguments = (-1.0, 1.0) if name == "uniform_" else (0.0, 1.0)
    return _draw(lambda: getattr(torch.nn.init, name)(torch.empty(shape, dtype=dtype_of(case)), *arguments))


def _factor(drawn: torch.Tensor, unit: torch.Tensor) -> Array:
    """The factor between two draws, where rounding disturbs it least."""
    largest = unit.abs().argmax()
    return array_of(drawn.flatten()[largest] / unit.flatten()[largest])
