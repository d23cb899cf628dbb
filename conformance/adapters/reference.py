"""The NumPy reference as an implementation."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from conformance.adapters import reference_calls
from conformance.adapters.reference_initializers import initializer, initializer_values
from conformance.adapters.reference_optimizers import (
    make_optimizer,
    optimizer,
    optimizer_closure,
    optimizer_groups,
    optimizer_sparse,
    optimizer_switched,
    step_trace,
)
from conformance.case import Array, Case
from conformance.refusals import outcome
from conformance.trace import Trace
from reference import activations, losses, schedules, unrolled
from reference import clip as clipping
from reference import gru as gated_recurrent_unit
from reference import linear as linear_layer
from reference import lstm as long_short_term_memory
from reference import notebook as classes
from reference import packing as packing_functions
from reference import rnn as elman
from reference import training as training_loop
from reference.cells import Cell
from reference.recurrent import Network

# families that have a module of their own, to be found here like the others
__all__ = [
    "initializer",
    "initializer_values",
    "optimizer",
    "optimizer_closure",
    "optimizer_groups",
    "optimizer_sparse",
    "optimizer_switched",
]


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
        trace |= {f"step{k}.grad.{name}": grad for name, grad in reversed(step.grads.items())}
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
