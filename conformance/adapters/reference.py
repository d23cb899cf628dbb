"""The NumPy reference as an implementation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from conformance.case import Array, Case
from conformance.trace import Trace
from reference import activations, initializers, losses, optim, schedules
from reference import clip as clipping
from reference import linear as linear_layer
from reference import notebook as classes
from reference import rnn as elman


def rnn(case: Case) -> Trace:
    model = elman.RNN(**case.config)
    params = {name: case[name] for name in model.parameter_shapes}
    output, h_n, cache = elman.forward(model, params, case["input"], case.get("h_0"))
    grads = elman.backward(model, params, cache, case.get("d_output"), case.get("d_h_n"))
    wanted = ["input", *(["h_0"] if "h_0" in case else []), *params]
    return {"output": output, "h_n": h_n, **{f"grad.{name}": grads[name] for name in wanted}}


def linear(case: Case) -> Trace:
    model = linear_layer.Linear(**case.config)
    params = {name: case[name] for name in model.parameter_shapes}
    output, cache = linear_layer.forward(model, params, case["input"])
    grads = linear_layer.backward(model, params, cache, case["d_output"])
    return {"output": output, **{f"grad.{name}": grads[name] for name in ("input", *params)}}


def activation(case: Case) -> Trace:
    config = dict(case.config)
    name = config.pop("function")
    output = getattr(activations, name)(case["input"], **config)
    d_input = getattr(activations, f"{name}_backward")(case["d_output"], output, **config)
    return {"output": output, "grad.input": d_input}


def loss(case: Case) -> Trace:
    config = dict(case.config)
    name = config.pop("function")
    if "weight" in case:
        config["weight"] = case["weight"]
    output = getattr(losses, name)(case["input"], case["target"], **config)
    d_input = getattr(losses, f"{name}_backward")(case["d_output"], case["input"], case["target"], **config)
    return {"output": output, "grad.input": d_input}


def initializer(case: Case) -> Trace:
    config = dict(case.config)
    name, shape = config.pop("function"), tuple(config.pop("shape"))
    if name == "calculate_gain":
        return {"gain": _number(initializers.calculate_gain(**config), case)}
    fan_in, fan_out = initializers.fan_in_and_fan_out(shape)
    trace = {"fan_in": _number(fan_in, case), "fan_out": _number(fan_out, case)}
    if name == "rnn_default":
        bounds = initializers.rnn_bounds(elman.RNN(**config))
        return trace | {"bound": _number(bounds["weight_ih_l0"], case)}
    if name == "linear_default":
        bounds = initializers.linear_bounds(linear_layer.Linear(shape[1], shape[0]))
        return trace | {f"bound.{key}": _number(value, case) for key, value in bounds.items()}
    if name in ("XavierInitializer", "HeInitializer"):
        start = getattr(classes, name)(rng=_Extremes(), dtype=case.dtype)
        layer = classes.FC(fan_in, fan_out, start, classes.SGD(lr=0.1))
        return trace | {"std": layer.W[0, 0], "bound.bias": layer.B[0, 0]}
    if name == "gaussian":
        return trace | {"std": _number(config["sigma"], case)}
    kind = "bound" if name.endswith("uniform") else "std"
    return trace | {kind: _number(getattr(initializers, f"{name}_{kind}")(shape, **config), case)}


class _Extremes(np.random.Generator):
    """Draws that show the distribution they come from: one standard deviation, or the upper bound."""

    def __init__(self) -> None:
        super().__init__(np.random.PCG64(0))

    def normal(self, loc: Any = 0.0, scale: Any = 1.0, size: Any = None) -> Any:
        return np.full(size, loc + scale)

    def uniform(self, low: Any = 0.0, high: Any = 1.0, size: Any = None) -> Any:
        return np.full(size, high)


def optimizer(case: Case) -> Trace:
    algorithm = make_optimizer(case.config)
    params = case.params()
    state: Any = algorithm.init(params)
    trace: Trace = {}
    for k in range(1, case.steps + 1):
        if f"step{k}.lr" in case:
            algorithm = replace(algorithm, lr=float(case[f"step{k}.lr"]))  # type: ignore[call-arg]
        params, state = algorithm.step(params, case.params(f"step{k}.grad."), state)
        trace |= step_trace(k, params, state)
    return trace


def optimizer_sparse(case: Case) -> Trace:
    algorithm = make_optimizer(case.config)
    params = case.params()
    state: Any = algorithm.init(params)
    trace: Trace = {}
    for k in range(1, case.steps + 1):
        if f"step{k}.lr" in case:
            algorithm = replace(algorithm, lr=float(case[f"step{k}.lr"]))  # type: ignore[call-arg]
        prefix = f"step{k}.grad."
        grads = {
            name: optim.SparseGradient(case[f"{prefix}{name}.rows"], case[f"{prefix}{name}.values"])
            for name in params
            if f"{prefix}{name}.rows" in case
        }
        params, state = algorithm.step(params, grads, state)
        trace |= step_trace(k, params, state)
    return trace


def optimizer_closure(case: Case) -> Trace:
    config = {key: value for key, value in case.config.items() if key not in ("algorithm", "objective", "steps")}
    algorithm = optim.LBFGS(**config)
    params = case.params()
    state: Any = algorithm.init(params)
    objective = _OBJECTIVES[case.config["objective"]]
    calls = 0

    def closure(at: Mapping[str, Array]) -> tuple[Any, dict[str, Array]]:
        nonlocal calls
        calls += 1
        flat = np.concatenate([value.reshape(-1) for value in at.values()])
        loss, gradient = objective(flat, case)
        grads, start = {}, 0
        for name, value in at.items():
            grads[name] = gradient[start : start + value.size].reshape(value.shape)
            start += value.size
        return loss, grads

    trace: Trace = {}
    for k in range(1, case.config["steps"] + 1):
        calls = 0
        params, state = algorithm.step(params, closure, state)
        trace[f"step{k}.calls"] = np.asarray(calls)
        trace |= {f"step{k}.state.{key}": _stacked(value, case) for key, value in state.items() if not _empty(value)}
        trace |= {f"step{k}.param.{name}": value for name, value in params.items()}
    return trace


def _quadratic(z: Array, case: Case) -> tuple[Any, Array]:
    slope = case["matrix"] @ z
    return z.dot(slope) / 2 - case["vector"].dot(z), slope - case["vector"]


def _rosenbrock(z: Array, case: Case) -> tuple[Any, Array]:
    valley, distance = z[1:] - z[:-1] * z[:-1], 1 - z[:-1]
    gradient = np.zeros_like(z)
    gradient[:-1] = -400 * z[:-1] * valley - 2 * distance
    gradient[1:] = gradient[1:] + 200 * valley
    return (100 * valley * valley + distance * distance).sum(), gradient


_OBJECTIVES = {"quadratic": _quadratic, "rosenbrock": _rosenbrock}


def _empty(value: Any) -> bool:
    return isinstance(value, list) and not value


def _stacked(value: Any, case: Case) -> Array:
    """An entry of LBFGS' state as an array; counts stay whole numbers."""
    array = np.stack([np.asanyarray(entry) for entry in value]) if isinstance(value, list) else np.asanyarray(value)
    return array.astype(case.dtype) if array.dtype.kind == "f" else array


def clip(case: Case) -> Trace:
    config = dict(case.config)
    name = config.pop("function")
    if "norm_type" in config:
        config["norm_type"] = float(config["norm_type"])
    result = getattr(clipping, name)(case.params("grad."), **config)
    grads, norm = result if isinstance(result, tuple) else (result, None)
    trace = {f"grad.{key}": grad for key, grad in grads.items()}
    return trace if norm is None else trace | {"total_norm": norm}


def schedule(case: Case) -> Trace:
    lr = float(case["lr"])
    made = make_schedule(case.config, case)
    if isinstance(made, schedules.ReduceLROnPlateau):
        rates, state = [lr], made.init()
        for metric in case["metrics"]:
            lr, state = made.step(lr, float(metric), state)
            rates.append(lr)
        return {"lr": np.array(rates)}
    steps = range(case.config["steps"] + 1)
    trace: Trace = {"lr": np.array([made.rate(lr, t) for t in steps])}
    if isinstance(made, schedules.CyclicLR | schedules.OneCycleLR):
        trace["momentum"] = np.array([made.momentum(t) for t in steps])
    return trace


def make_schedule(config: Mapping[str, Any], case: Case) -> Any:
    """The schedule of a case's configuration, or of a part of it."""
    arguments = {key: value for key, value in config.items() if key not in ("schedule", "steps", "schedulers")}
    if "schedulers" in config:
        arguments["schedulers"] = [make_schedule(part, case) for part in config["schedulers"]]
    if "lr_lambda" in case:
        factors = case["lr_lambda"]
        arguments["lr_lambda"] = lambda t: float(factors[t])
    return getattr(schedules, config["schedule"])(**arguments)


def training(case: Case) -> Trace:
    config = case.config
    model, readout = elman.RNN(**config["rnn"]), linear_layer.Linear(**config["linear"])
    algorithm = make_optimizer(config["optimizer"])
    params = case.params()
    state: Any = algorithm.init(params)
    trace: Trace = {}
    for k in range(1, case.steps + 1):
        x, target = case[f"step{k}.input"], case[f"step{k}.target"]
        rnn_params, linear_params = _part(params, "rnn."), _part(params, "linear.")

        output, _, rnn_cache = elman.forward(model, rnn_params, x)
        last = (slice(None), -1) if model.batch_first else (-1,)
        logits, linear_cache = linear_layer.forward(readout, linear_params, output[last])
        value = losses.cross_entropy(logits, target)

        d_logits = losses.cross_entropy_backward(value.dtype.type(1), logits, target)
        linear_grads = linear_layer.backward(readout, linear_params, linear_cache, d_logits)
        d_output = np.zeros_like(output)
        d_output[last] = linear_grads["input"]
        rnn_grads = elman.backward(model, rnn_params, rnn_cache, d_output)

        grads = {f"rnn.{name}": rnn_grads[name] for name in rnn_params}
        grads |= {f"linear.{name}": linear_grads[name] for name in linear_params}
        params, state = algorithm.step(params, grads, state)
        trace[f"step{k}.loss"] = value
        trace |= {f"step{k}.grad.{name}": grad for name, grad in grads.items()}
        trace |= step_trace(k, params, state)
    return trace


NOTEBOOK_NAMES = {
    "FC": {"weight": "W", "bias": "B"},
    "SimpleRNN": {"weight_ih_l0": "WX", "weight_hh_l0": "Wh", "bias_ih_l0": "B"},
    "SimpleRNN2": {"weight_ih_l0": "WX", "weight_hh_l0": "Wh", "bias_ih_l0": "B"},
}


def notebook(case: Case) -> Trace:
    """Layers in a row, sharing one optimizer object; every ``backward`` updates the weights."""
    config = case.config
    shared = getattr(classes, config["optimizer"]["class"])(**config["optimizer"]["arguments"])
    layers = []
    for index, entry in enumerate(config["layers"]):
        kind, arguments = entry["class"], dict(entry["arguments"])
        if kind in NOTEBOOK_NAMES:
            arguments |= {"initializer": classes.SimpleInitializer(), "optimizer": shared}
        if "activation" in arguments:
            arguments["activation"] = getattr(classes, arguments["activation"])()
        layer = getattr(classes, kind)(**arguments)
        for name, attribute in NOTEBOOK_NAMES.get(kind, {}).items():
            value = case[f"param.{index}.{name}"]
            setattr(layer, attribute, value[None] if attribute == "B" else value.T)
        layers.append(layer)

    trace: Trace = {}
    for k in range(1, case.steps + 1):
        signal = case[f"step{k}.input"]
        for layer in layers:
            signal = layer.forward(signal)
        trace[f"step{k}.output"] = signal
        signal = case[f"step{k}.target"] if f"step{k}.target" in case else case[f"step{k}.d_output"]
        for layer in reversed(layers):
            signal = layer.backward(signal)
        trace[f"step{k}.grad.input"] = signal
        for index, entry in enumerate(config["layers"]):
            for name, attribute in NOTEBOOK_NAMES.get(entry["class"], {}).items():
                value = getattr(layers[index], attribute)
                trace[f"step{k}.param.{index}.{name}"] = value[0] if attribute == "B" else value.T
    return trace


def make_optimizer(config: Mapping[str, Any]) -> optim.Optimizer:
    """The algorithm of a case's configuration."""
    arguments = {key: tuple(v) if isinstance(v, list) else v for key, v in config.items() if key != "algorithm"}
    algorithm: optim.Optimizer = getattr(optim, config["algorithm"])(**arguments)
    return algorithm


def step_trace(k: int, params: Mapping[str, Array], state: Mapping[str, Mapping[str, Array]]) -> Trace:
    """Parameters and state after step k, under the names that a trace gives them."""
    trace = {f"step{k}.param.{name}": value for name, value in params.items()}
    for name, entries in state.items():
        trace |= {f"step{k}.state.{name}.{key}": value for key, value in entries.items()}
    return trace


def _part(params: Mapping[str, Array], prefix: str) -> dict[str, Array]:
    return {name.removeprefix(prefix): value for name, value in params.items() if name.startswith(prefix)}


def _number(value: float, case: Case) -> Array:
    number: Array = case.dtype.type(value)
    return number
