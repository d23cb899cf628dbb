"""The NumPy reference as an implementation."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from conformance.adapters import reference_calls, switching
from conformance.adapters.options import groups_of, last_step, options_of
from conformance.case import Array, Case
from conformance.refusals import outcome
from conformance.trace import Trace
from reference import activations, initializers, losses, optim, schedules, unrolled
from reference import clip as clipping
from reference import gru as gated_recurrent_unit
from reference import linear as linear_layer
from reference import lstm as long_short_term_memory
from reference import notebook as classes
from reference import packing as packing_functions
from reference import rnn as elman
from reference import training as training_loop
from reference.recurrent import Cell, Network


def rnn(case: Case) -> Trace:
    return _network(case, elman, elman.RNN)


rnn_packed = rnn_dropout = rnn_packed_dropout = rnn_unbatched = rnn


def rnn_sequences(case: Case) -> Trace:
    return _sequences(case, elman, elman.RNN)


def _network(case: Case, module: Any, kind: Callable[..., Network]) -> Trace:
    """A network over its sequences, with lengths and dropout masks if the case has any."""
    config = dict(case.config)
    options = {name: case[name] for name in ("lengths", "dropout_masks") if name in case}
    if "enforce_sorted" in config:
        options["enforce_sorted"] = config.pop("enforce_sorted")
    model = kind(**config)
    params = {name: case[name] for name in model.parameter_shapes}
    states = ["h", "c"][: len(model.state_sizes)]
    initial = [case.get(f"{name}_0") for name in states]
    output, *final, cache = module.forward(model, params, case["input"], *initial, **options)
    upstream = [case.get(name) for name in ("d_output", *(f"d_{state}_n" for state in states))]
    grads = module.backward(model, params, cache, *upstream)
    wanted = ["input", *(f"{name}_0" for name in states if f"{name}_0" in case), *params]
    trace = {"output": output} | {f"{name}_n": value for name, value in zip(states, final, strict=True)}
    return trace | {f"grad.{name}": grads[name] for name in wanted}


def _sequences(case: Case, module: Any, kind: Callable[..., Network]) -> Trace:
    """A network over a list of sequences: packed, run, and padded to the length that the case asks for."""
    config = dict(case.config)
    enforce_sorted = config.pop("enforce_sorted")
    padding = {name: config.pop(name) for name in ("padding_value", "total_length")}
    model, first = kind(**config), config["batch_first"]
    params = {name: case[name] for name in model.parameter_shapes}
    states = ["h", "c"][: len(model.state_sizes)]
    initial = [case.get(f"{name}_0") for name in states]
    x, lengths = packing_functions.pad_packed_sequence(
        packing_functions.pack_sequence(_given_sequences(case), enforce_sorted), first
    )
    output, *final, cache = module.forward(model, params, x, *initial, lengths=lengths, enforce_sorted=False)
    packed = packing_functions.pack_padded_sequence(output, lengths, first, enforce_sorted=False)
    padded, _ = packing_functions.pad_packed_sequence(packed, first, **padding)

    packed = packing_functions.pack_padded_sequence(case["d_output"], lengths, first, enforce_sorted=False)
    d_output, _ = packing_functions.pad_packed_sequence(packed, first)
    grads = module.backward(model, params, cache, d_output, *(case[f"d_{name}_n"] for name in states))
    trace = {"output": padded} | {f"{name}_n": value for name, value in zip(states, final, strict=True)}
    d_sequences = packing_functions.unpad_sequence(grads["input"], lengths, first)
    trace |= {f"grad.sequence{k}": value for k, value in enumerate(d_sequences)}
    return trace | {f"grad.{name}": grads[name] for name in (*(f"{name}_0" for name in states), *params)}


def _given_sequences(case: Case) -> list[Array]:
    return list(case.params("sequence").values())


def packing(case: Case) -> Trace:
    config, sequences = case.config, _given_sequences(case)
    first, value = config["batch_first"], config["padding_value"]
    packed = packing_functions.pack_sequence(sequences, config["enforce_sorted"])
    output, lengths = packing_functions.pad_packed_sequence(packed, first, value, config["total_length"])
    trace = {
        "padded": packing_functions.pad_sequence(sequences, first, value, config["padding_side"]),
        **{name: value for name, value in packed._asdict().items() if value is not None},
        "output": output,
        "lengths": lengths,
    }
    return trace | {f"unpacked{k}": value for k, value in enumerate(packing_functions.unpack_sequence(packed))}


def lstm(case: Case) -> Trace:
    return _network(case, long_short_term_memory, long_short_term_memory.LSTM)


lstm_packed = lstm_dropout = lstm_packed_dropout = lstm_unbatched = lstm


def lstm_sequences(case: Case) -> Trace:
    return _sequences(case, long_short_term_memory, long_short_term_memory.LSTM)


def gru(case: Case) -> Trace:
    return _network(case, gated_recurrent_unit, gated_recurrent_unit.GRU)


gru_packed = gru_dropout = gru_packed_dropout = gru_unbatched = gru


def gru_sequences(case: Case) -> Trace:
    return _sequences(case, gated_recurrent_unit, gated_recurrent_unit.GRU)


def rnn_cell(case: Case) -> Trace:
    return _cell(case, elman, elman.RNNCell, ["h"])


def lstm_cell(case: Case) -> Trace:
    return _cell(case, long_short_term_memory, long_short_term_memory.LSTMCell, ["h", "c"])


def gru_cell(case: Case) -> Trace:
    return _cell(case, gated_recurrent_unit, gated_recurrent_unit.GRUCell, ["h"])


def _cell(case: Case, module: Any, kind: Callable[..., Cell], names: Sequence[str]) -> Trace:
    model = kind(**case.config)
    params = {name: case[name] for name in model.parameter_shapes}
    x = case["input"]
    after, caches = unrolled.forward(module, model, params, x, [case.get(f"{name}x") for name in names])
    steps = range(1, len(x) + 1)
    upstream = [[case.get(f"step{k}.d_{name}") for name in names] for k in steps]
    grads = unrolled.backward(module, model, params, caches, upstream)
    trace: Trace = {}
    for k, states in zip(steps, after, strict=True):
        trace |= {f"step{k}.{name}": state for name, state in zip(names, states, strict=True)}
    wanted = ["input", *(f"{name}x" for name in names if f"{name}x" in case), *params]
    return trace | {f"grad.{name}": grads[name] for name in wanted}


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
    with warnings.catch_warnings():
        # mean squared error of shapes that differ: a case that broadcasts says so in its note
        warnings.filterwarnings("ignore", "Using a target size")
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
    if name.endswith("_default") and name != "linear_default":
        model = _MODELS[name.removesuffix("_default")](**config)
        params = initializers.rnn_parameters(model, rng=_Extremes(), dtype=case.dtype)
        blocks = {key: value.reshape(_blocks(key, model.gates), -1) for key, value in params.items()}
        return trace | {f"bound.{key}": value[:, 0] for key, value in blocks.items()}
    if name == "linear_default":
        bounds = initializers.linear_bounds(linear_layer.Linear(shape[1], shape[0]))
        return trace | {f"bound.{key}": _number(value, case) for key, value in bounds.items()}
    if name in ("XavierInitializer", "HeInitializer"):
        start = getattr(classes, name)(rng=_Extremes(), dtype=case.dtype)
        layer = classes.FC(fan_in, fan_out, start, classes.SGD(lr=0.1))
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
    "lstm": long_short_term_memory.LSTM,
    "gru": gated_recurrent_unit.GRU,
    "rnn_cell": elman.RNNCell,
    "lstm_cell": long_short_term_memory.LSTMCell,
    "gru_cell": gated_recurrent_unit.GRUCell,
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


def optimizer(case: Case) -> Trace:
    trace, _ = _steps(case, _begun(case), range(1, last_step(case) + 1))
    return trace


optimizer_groups = optimizer_sparse = optimizer_closure = optimizer


def optimizer_switched(case: Case) -> Trace:
    """The reference goes on with what it has itself saved: the run that tolerances and the arbiter come from."""
    return switching.run(case, until_switch, from_switch)


def until_switch(case: Case) -> tuple[Trace, Any]:
    """The first steps, and the parameters and the ``state_dict`` that they end with."""
    trace, run = _steps(case, _begun(case), range(1, case.config["switch_after"] + 1))
    return trace, (run.params, optim.state_dict(run.algorithm, run.state, run.params))


def from_switch(case: Case, handed_over: Any) -> Trace:
    """What has arrived, and the steps after it: by an optimizer of torch's defaults, whose options were saved too."""
    params, saved = handed_over
    made: Any = getattr(optim, case.config["algorithm"])()
    if "groups" in case.config:
        made = optim.ParamGroups([(made, group["params"]) for group in case.config["groups"]])
    run = _Run(*optim.load_state_dict(made, params, saved), params)
    k = case.config["switch_after"]
    trace, _ = _steps(case, run, range(k + 1, last_step(case) + 1))
    return _run_trace(case, k, run) | trace


class _Run(NamedTuple):
    """How far an optimizer has come."""

    algorithm: Any
    state: Any
    params: dict[str, Array]


def _begun(case: Case) -> _Run:
    options = options_of(case)
    algorithm: Any
    if "groups" in case.config:
        members = [(make_optimizer(options | own), names) for own, names in groups_of(case)]
        algorithm = optim.ParamGroups(members)
    else:
        algorithm = make_optimizer(options)
    params = case.params()
    return _Run(algorithm, algorithm.init(params), params)


def _steps(case: Case, run: _Run, numbers: Iterable[int]) -> tuple[Trace, _Run]:
    """Some steps of a case, whose rates are one for all groups or one for each."""
    algorithm, state, params = run
    trace: Trace = {}
    for k in numbers:
        if f"step{k}.lr" in case:
            algorithm = _with_rates(algorithm, case[f"step{k}.lr"])
        if "objective" in case.config:
            closure = _Closure(case)
            params, state = algorithm.step(params, closure, state)
            trace[f"step{k}.calls"] = np.asarray(closure.calls)
        else:
            params, state = algorithm.step(params, _gradients(case, k), state)
        trace |= _run_trace(case, k, _Run(algorithm, state, params))
    return trace, _Run(algorithm, state, params)


def _with_rates(algorithm: Any, rates: Array) -> Any:
    if isinstance(algorithm, optim.ParamGroups):
        rated = zip(algorithm.groups, np.broadcast_to(rates, len(algorithm.groups)), strict=True)
        return optim.ParamGroups([(_with_rates(member, rate), names) for (member, names), rate in rated])
    return replace(algorithm, lr=float(rates))


def _gradients(case: Case, k: int) -> dict[str, Any]:
    grads: dict[str, Any] = case.params(f"step{k}.grad.")
    for name in [name.removesuffix(".rows") for name in grads if name.endswith(".rows")]:
        grads[name] = optim.SparseGradient(grads.pop(f"{name}.rows"), grads.pop(f"{name}.values"))
    return grads


class _Closure:
    """The loss of a case and its gradients at some parameters, and how often they were asked for."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.objective = _OBJECTIVES[case.config["objective"]]
        self.calls = 0

    def __call__(self, at: Mapping[str, Array]) -> tuple[Any, dict[str, Array]]:
        self.calls += 1
        flat = np.concatenate([value.reshape(-1) for value in at.values()])
        loss, gradient = self.objective(flat, self.case)
        grads, start = {}, 0
        for name, value in at.items():
            grads[name] = gradient[start : start + value.size].reshape(value.shape)
            start += value.size
        return loss, grads


def _run_trace(case: Case, k: int, run: _Run) -> Trace:
    if "objective" not in case.config:
        return step_trace(k, run.params, run.state)
    trace = {f"step{k}.state.{key}": _stacked(value, case) for key, value in run.state.items() if not _empty(value)}
    return trace | {f"step{k}.param.{name}": value for name, value in run.params.items()}


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
    if config["schedule"] in ("LambdaLR", "MultiplicativeLR"):
        factors = case["lr_lambda"]
        arguments["lr_lambda"] = lambda t: float(factors[t])
    return getattr(schedules, config["schedule"])(**arguments)


RECURRENT: dict[str, Any] = {
    "rnn": elman.RNN,
    "lstm": long_short_term_memory.LSTM,
    "gru": gated_recurrent_unit.GRU,
}


def training(case: Case) -> Trace:
    config = case.config
    (kind,) = config.keys() & RECURRENT.keys()
    model = training_loop.Classifier(RECURRENT[kind](**config[kind]), linear_layer.Linear(**config["linear"]))
    batches = [(case[f"step{k}.input"], case[f"step{k}.target"]) for k in range(1, case.steps + 1)]
    steps = training_loop.train(model, make_optimizer(config["optimizer"]), case.params(), batches)
    trace: Trace = {}
    for k, step in enumerate(steps, start=1):
        trace[f"step{k}.loss"] = step.loss
        trace |= {f"step{k}.grad.{name}": grad for name, grad in step.grads.items()}
        trace |= step_trace(k, step.params, step.state)
    return trace


training_lstm = training_gru = training


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


def error(case: Case) -> Trace:
    return outcome(reference_calls.call, case).trace


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


def _number(value: float, case: Case) -> Array:
    number: Array = case.dtype.type(value)
    return number
