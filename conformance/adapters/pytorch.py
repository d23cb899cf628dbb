"""torch as an implementation: the expectation. Beside it only the other modules ``pytorch_*`` import torch.

Everything is computed by torch's own modules, functions and optimizers, gradients by autograd. ``foreach`` and
``fused`` are ways of executing an optimizer, not arguments of its algorithm: neither is used.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch.nn.utils.rnn import (
    pack_padded_sequence,
    pack_sequence,
    pad_packed_sequence,
    pad_sequence,
    unpack_sequence,
)
from torch.utils._python_dispatch import TorchDispatchMode

from conformance.adapters import pytorch_calls, switching
from conformance.adapters.options import groups_of, last_step, options_of
from conformance.case import Array, Case
from conformance.refusals import outcome
from conformance.trace import Trace

Tensors = Mapping[str, torch.Tensor]


def use_one_thread() -> None:
    """Keep torch to one thread in this process: cases are small, and processes share the cores."""
    torch.set_num_threads(1)


def rnn(case: Case) -> Trace:
    return _network(case, torch.nn.RNN)


rnn_packed = rnn_dropout = rnn_packed_dropout = rnn_unbatched = rnn


def rnn_sequences(case: Case) -> Trace:
    return _sequences(case, torch.nn.RNN)


def _network(case: Case, kind: Callable[..., torch.nn.Module]) -> Trace:
    """A network over its sequences, packed if the case has lengths, in training if it has dropout masks."""
    config = dict(case.config)
    enforce_sorted = config.pop("enforce_sorted", True)
    model = kind(**config, dtype=_dtype(case))
    model.load_state_dict(_tensors(case, model.state_dict()))
    model.train(config["dropout"] == 0 or "dropout_masks" in case)
    inputs = {name: _leaf(case[name]) for name in ("input", "h_0", "c_0") if name in case}
    x, *initial = inputs.values()
    signal: Any = x
    if "lengths" in case:
        lengths = torch.from_numpy(case["lengths"])
        signal = pack_padded_sequence(x, lengths, config["batch_first"], enforce_sorted)
    with _Draws(case), warnings.catch_warnings():
        # it then computes without oneDNN, as it does in float64 anyway
        warnings.filterwarnings("ignore", "LSTM with projections is not supported with oneDNN")
        output, final = model(signal, *([] if not initial else initial if len(initial) == 1 else [tuple(initial)]))
    if "lengths" in case:
        steps = x.shape[1 if config["batch_first"] else 0]
        output, _ = pad_packed_sequence(output, config["batch_first"], total_length=steps)
    outputs = {"output": output}
    outputs |= {"h_n": final} if isinstance(final, torch.Tensor) else {"h_n": final[0], "c_n": final[1]}
    grads = _grads(case, outputs, inputs | dict(model.named_parameters()))
    return {name: _array(value) for name, value in outputs.items()} | grads


def _sequences(case: Case, kind: Callable[..., torch.nn.Module]) -> Trace:
    """A network over a list of sequences: packed, run, and padded to the length that the case asks for."""
    config = dict(case.config)
    enforce_sorted = config.pop("enforce_sorted")
    padding = {name: config.pop(name) for name in ("padding_value", "total_length")}
    model = kind(**config, dtype=_dtype(case))
    model.load_state_dict(_tensors(case, model.state_dict()))
    sequences = {f"sequence{key}": _leaf(value) for key, value in case.params("sequence").items()}
    initial = {name: _leaf(case[name]) for name in ("h_0", "c_0") if name in case}
    packed = pack_sequence(list(sequences.values()), enforce_sorted)
    output, final = model(packed, *(initial.values() if len(initial) == 1 else [tuple(initial.values())]))
    output, _ = pad_packed_sequence(output, config["batch_first"], **padding)
    outputs = {"output": output}
    outputs |= {"h_n": final} if isinstance(final, torch.Tensor) else {"h_n": final[0], "c_n": final[1]}
    grads = _grads(case, outputs, sequences | initial | dict(model.named_parameters()))
    return {name: _array(value) for name, value in outputs.items()} | grads


def packing(case: Case) -> Trace:
    config, sequences = case.config, [torch.from_numpy(value) for value in case.params("sequence").values()]
    packed = pack_sequence(sequences, config["enforce_sorted"])
    output, lengths = pad_packed_sequence(
        packed, config["batch_first"], config["padding_value"], config["total_length"]
    )
    padded = pad_sequence(sequences, config["batch_first"], config["padding_value"], config["padding_side"])
    fields = {name: value for name, value in packed._asdict().items() if value is not None}
    trace = {"padded": padded, **fields, "output": output, "lengths": lengths}
    trace |= {f"unpacked{k}": value for k, value in enumerate(unpack_sequence(packed))}
    return {name: _array(value) for name, value in trace.items()}


class _Draws(TorchDispatchMode):
    """Where a network in training draws which states to keep, it draws what the case's masks keep.

    Everything else, the scaling and the place of dropout too, is torch's own. At p = 1 torch draws nothing.
    """

    def __init__(self, case: Case) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        masks = case.get("dropout_masks", np.empty(0))
        if masks.size and case.config["batch_first"]:
            masks = masks.swapaxes(1, 2)
        kept = [torch.from_numpy(mask != 0) for mask in masks]
        if masks.size and "lengths" in case:  # torch draws for the packed steps only
            lengths, enforce_sorted = torch.from_numpy(case["lengths"]), case.config["enforce_sorted"]
            kept = [pack_padded_sequence(mask, lengths, enforce_sorted=enforce_sorted).data for mask in kept]
        self.kept = iter(kept)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten.bernoulli_.float:
            return args[0].copy_(next(self.kept))
        return func(*args, **(kwargs or {}))


def lstm(case: Case) -> Trace:
    return _network(case, torch.nn.LSTM)


lstm_packed = lstm_dropout = lstm_packed_dropout = lstm_unbatched = lstm


def lstm_sequences(case: Case) -> Trace:
    return _sequences(case, torch.nn.LSTM)


def gru(case: Case) -> Trace:
    return _network(case, torch.nn.GRU)


gru_packed = gru_dropout = gru_packed_dropout = gru_unbatched = gru


def gru_sequences(case: Case) -> Trace:
    return _sequences(case, torch.nn.GRU)


def rnn_cell(case: Case) -> Trace:
    return _cell(case, torch.nn.RNNCell)


def lstm_cell(case: Case) -> Trace:
    return _cell(case, torch.nn.LSTMCell)


def gru_cell(case: Case) -> Trace:
    return _cell(case, torch.nn.GRUCell)


def _cell(case: Case, kind: Callable[..., torch.nn.Module]) -> Trace:
    """Several steps of a cell, its states handed on."""
    model = kind(**case.config, dtype=_dtype(case))
    model.load_state_dict(_tensors(case, model.state_dict()))
    inputs = {name: _leaf(case[name]) for name in ("input", "hx", "cx") if name in case}
    state: Any = (inputs["hx"], inputs["cx"]) if "cx" in inputs else inputs.get("hx")
    outputs: dict[str, torch.Tensor] = {}
    upstream: dict[str, str] = {}
    for k, x in enumerate(inputs["input"], start=1):
        state = model(x, state)
        states = {"h": state} if isinstance(state, torch.Tensor) else dict(zip("hc", state, strict=True))
        outputs |= {f"step{k}.{name}": value for name, value in states.items()}
        upstream |= {f"step{k}.{name}": f"step{k}.d_{name}" for name in states if f"step{k}.d_{name}" in case}
    leaves = inputs | dict(model.named_parameters())
    given = [torch.from_numpy(case[name]) for name in upstream.values()]
    grads = torch.autograd.grad([outputs[name] for name in upstream], list(leaves.values()), given)
    trace = {name: _array(value) for name, value in outputs.items()}
    return trace | {f"grad.{name}": _array(grad) for name, grad in zip(leaves, grads, strict=True)}


def linear(case: Case) -> Trace:
    model = torch.nn.Linear(**case.config, dtype=_dtype(case))
    model.load_state_dict(_tensors(case, model.state_dict()))
    x = _leaf(case["input"])
    output = model(x)
    grads = _grads(case, {"output": output}, {"input": x} | dict(model.named_parameters()))
    return {"output": _array(output), **grads}


def activation(case: Case) -> Trace:
    config = dict(case.config)
    function: Callable[..., torch.Tensor] = getattr(torch.nn.functional, config.pop("function"))
    x = _leaf(case["input"])
    output = function(x, **config)
    return {"output": _array(output), **_grads(case, {"output": output}, {"input": x})}


def loss(case: Case) -> Trace:
    config = dict(case.config)
    function: Callable[..., torch.Tensor] = getattr(torch.nn.functional, config.pop("function"))
    if "weight" in case:
        config["weight"] = torch.from_numpy(case["weight"])
    x = _leaf(case["input"])
    with warnings.catch_warnings():
        # mean squared error of shapes that differ: a case that broadcasts says so in its note
        warnings.filterwarnings("ignore", "Using a target size")
        output = function(x, torch.from_numpy(case["target"]), **config)
    return {"output": _array(output), **_grads(case, {"output": output}, {"input": x})}


def initializer(case: Case) -> Trace:
    """Fans and gain as torch states them; bounds and deviations from what torch draws.

    torch computes a bound inside the function that draws. Drawing once from the unit distribution and once
    through the initializer, from the same generator state, gives the same numbers but for that factor.
    """
    config = dict(case.config)
    name, shape = config.pop("function"), tuple(config.pop("shape"))
    if name == "calculate_gain":
        return {"gain": _number(torch.nn.init.calculate_gain(**config), case)}
    fan_in, fan_out = torch.nn.init._calculate_fan_in_and_fan_out(torch.empty(shape))
    trace = {"fan_in": _number(fan_in, case), "fan_out": _number(fan_out, case)}
    if name == "rnn_default":
        drawn = _draw(lambda: torch.nn.RNN(**config, dtype=_dtype(case)).get_parameter("weight_ih_l0"))
        return trace | {"bound": _factor(drawn, _draw_unit("uniform_", shape, case))}
    if name == "linear_default":
        return trace | _linear_bounds(shape, case)
    if name.endswith("_default"):
        return trace | _recurrent_bounds(name.removesuffix("_default"), config, case)
    if name in ("XavierInitializer", "HeInitializer"):
        config = {"nonlinearity": "relu"} if name == "HeInitializer" else {}
        function = torch.nn.init.kaiming_normal_ if name == "HeInitializer" else torch.nn.init.xavier_normal_
        drawn = _draw(lambda: function(torch.empty(shape, dtype=_dtype(case)), **config))
        std = _factor(drawn, _draw_unit("normal_", shape, case))
        return trace | {"std": std, "bound.bias": _linear_bounds(shape, case)["bound.bias"]}
    if name == "gaussian":
        drawn = _draw(lambda: torch.nn.init.normal_(torch.empty(shape, dtype=_dtype(case)), 0.0, config["sigma"]))
        return trace | {"std": _factor(drawn, _draw_unit("normal_", shape, case))}
    function = getattr(torch.nn.init, f"{name}_")
    drawn = _draw(lambda: function(torch.empty(shape, dtype=_dtype(case)), **config))
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
        values = getattr(torch.nn.init, f"{name}_")(torch.empty(shape, dtype=_dtype(case)), **config)
    return {"output": _array(values)}


class _Gaussian(TorchDispatchMode):
    """Where torch draws from the standard normal distribution, it draws what the case gives."""

    def __init__(self, case: Case) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.case = case

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten.normal_.default:
            return args[0].copy_(torch.from_numpy(self.case["draws"]))
        return func(*args, **(kwargs or {}))


def optimizer(case: Case) -> Trace:
    params = {name: _leaf(value) for name, value in case.params().items()}
    return _steps(case, params, _optimizer_of(case, params), range(1, last_step(case) + 1))


optimizer_groups = optimizer_sparse = optimizer_closure = optimizer


def optimizer_switched(case: Case) -> Trace:
    """torch's own run, which nothing interrupts unless torch itself changes a dtype where it loads a state."""
    return switching.run(case, _until_switch, _steps_on)


LOADED_OTHERWISE = ("ASGD", "NAdam")
"""their float32 scalars have the parameters' dtype once they were saved and loaded: that is what the others go on with,
and the expectation too"""


def _until_switch(case: Case) -> tuple[Trace, tuple[Tensors, torch.optim.Optimizer]]:
    params = {name: _leaf(value) for name, value in case.params().items()}
    algorithm = _optimizer_of(case, params)
    return _steps(case, params, algorithm, range(1, case.config["switch_after"] + 1)), (params, algorithm)


def _steps_on(case: Case, running: tuple[Tensors, torch.optim.Optimizer]) -> Trace:
    params, algorithm = running
    if case.config["algorithm"] in LOADED_OTHERWISE:
        algorithm.load_state_dict(algorithm.state_dict())
    k = case.config["switch_after"]
    arrived = _run_trace(case, k, params, algorithm)
    return arrived | _steps(case, params, algorithm, range(k + 1, last_step(case) + 1))


def until_switch(case: Case) -> tuple[Trace, Any]:
    """The first steps, and the parameters and the ``state_dict`` that they end with, its tensors made arrays."""
    trace, (params, algorithm) = _until_switch(case)
    saved = algorithm.state_dict()
    state = {
        index: {key: _shared(value) for key, value in entries.items()} for index, entries in saved["state"].items()
    }
    arrays = {name: _array(param) for name, param in params.items()}
    return trace, (arrays, {"state": state, "param_groups": saved["param_groups"]})


def _shared(value: Any) -> Any:
    """An entry of a state with arrays in place of tensors, which share their memory."""
    if isinstance(value, list):
        return [_shared(entry) for entry in value]
    return value.detach().numpy() if isinstance(value, torch.Tensor) else value


def from_switch(case: Case, handed_over: Any) -> Trace:
    """What has arrived, and the steps after it: by an optimizer of torch's defaults, whose options were saved too."""
    arrays, saved = handed_over
    params = {name: _leaf(value.copy()) for name, value in arrays.items()}
    groups = [names for _, names in groups_of(case)] if "groups" in case.config else [list(params)]
    made = _made(
        {"algorithm": case.config["algorithm"]}, [{"params": [params[name] for name in names]} for names in groups]
    )
    state = {
        index: {key: _as_tensor(value) for key, value in entries.items()} for index, entries in saved["state"].items()
    }
    made.load_state_dict({"state": state, "param_groups": saved["param_groups"]})
    return _steps_on(case, (params, made))


def _as_tensor(value: Any) -> Any:
    """An entry of a state with tensors in place of arrays, which share their memory: torch works in it."""
    if isinstance(value, list):
        return [_as_tensor(entry) for entry in value]
    return torch.from_numpy(value) if isinstance(value, np.ndarray) else value


def _optimizer_of(case: Case, params: Tensors) -> torch.optim.Optimizer:
    if "groups" not in case.config:
        return make_optimizer(options_of(case), params)
    groups = [_arguments(own) | {"params": [params[name] for name in names]} for own, names in groups_of(case)]
    return _made(options_of(case), groups)


def _steps(case: Case, params: Tensors, algorithm: torch.optim.Optimizer, numbers: Iterable[int]) -> Trace:
    """Some steps of a case, whose rates are one for all groups or one for each."""
    trace: Trace = {}
    for k in numbers:
        if f"step{k}.lr" in case:
            rates = np.broadcast_to(case[f"step{k}.lr"], len(algorithm.param_groups))
            for group, rate in zip(algorithm.param_groups, rates, strict=True):
                group["lr"] = float(rate)
        if "objective" in case.config:
            closure = _Closure(case, params)
            algorithm.step(closure)  # type: ignore[arg-type]
            trace[f"step{k}.calls"] = np.asarray(closure.calls)
        else:
            for name, param in params.items():
                param.grad = _gradient(case, f"step{k}.grad.{name}", param)
            with torch.sparse.check_sparse_tensor_invariants():  # type: ignore[no-untyped-call]  # torch warns where nobody says whether to
                algorithm.step()
        trace |= _run_trace(case, k, params, algorithm)
    return trace


def _gradient(case: Case, name: str, param: torch.Tensor) -> torch.Tensor | None:
    if f"{name}.rows" in case:
        rows, values = (torch.from_numpy(case[f"{name}.{part}"]) for part in ("rows", "values"))
        return torch.sparse_coo_tensor(rows[None], values, param.shape, check_invariants=True)
    return torch.from_numpy(case[name]) if name in case else None


class _Closure:
    """The loss of a case at its parameters, with their gradients, and how often it was asked for."""

    def __init__(self, case: Case, params: Tensors) -> None:
        self.objective = case.config["objective"]
        self.matrix, self.vector = torch.from_numpy(case["matrix"]), torch.from_numpy(case["vector"])
        self.params = params
        self.calls = 0

    def __call__(self) -> torch.Tensor:
        self.calls += 1
        for param in self.params.values():
            param.grad = None
        z = torch.cat([param.reshape(-1) for param in self.params.values()])
        if self.objective == "quadratic":
            value = z @ self.matrix @ z / 2 - self.vector @ z
        else:
            value = (100 * (z[1:] - z[:-1] ** 2) ** 2 + (1 - z[:-1]) ** 2).sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value


def _run_trace(case: Case, k: int, params: Tensors, algorithm: torch.optim.Optimizer) -> Trace:
    if "objective" not in case.config:
        return _step_trace(k, params, algorithm)
    trace: Trace = {}
    for key, value in algorithm.state[next(iter(params.values()))].items():
        # al is scratch, of the last iteration
        if key != "al" and value is not None and not (isinstance(value, list) and not value):
            trace[f"step{k}.state.{key}"] = _closure_state(value, case)
    return trace | {f"step{k}.param.{name}": _array(param) for name, param in params.items()}


def _closure_state(value: Any, case: Case) -> Array:
    """LBFGS keeps tensors, lists of tensors, Python's floats and counts."""
    if isinstance(value, list):
        return np.stack([_array(entry) for entry in value])
    if isinstance(value, float):
        return _number(value, case)
    return _array(value) if isinstance(value, torch.Tensor) else np.asarray(value)


def clip(case: Case) -> Trace:
    config = dict(case.config)
    name = config.pop("function")
    if "norm_type" in config:
        config["norm_type"] = float(config["norm_type"])
    params = {key: _leaf(np.zeros_like(value)) for key, value in case.params("grad.").items()}
    for key, value in case.params("grad.").items():
        params[key].grad = torch.from_numpy(value)
    norm = getattr(torch.nn.utils, f"{name}_")(list(params.values()), **config, foreach=False)
    trace = {f"grad.{key}": _array(_grad_of(param)) for key, param in params.items()}
    return trace if norm is None else trace | {"total_norm": _array(norm)}


def schedule(case: Case) -> Trace:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=float(case["lr"]), momentum=0.9)
    with warnings.catch_warnings():
        # a chain that begins a sequence is stepped when that is made, and no optimizer has stepped yet
        warnings.filterwarnings("ignore", "Detected call of `lr_scheduler.step")
        made = _schedule(case.config, case, optimizer)
    (group,) = optimizer.param_groups
    rates, momenta = [group["lr"]], [group["momentum"]]
    for t in range(case.config["steps"]):
        optimizer.step()
        if "metrics" in case:
            made.step(float(case["metrics"][t]))
        else:
            made.step()
        rates.append(group["lr"])
        momenta.append(group["momentum"])
    trace: Trace = {"lr": np.array(rates)}
    return trace | {"momentum": np.array(momenta)} if case.config.get("cycle_momentum") else trace


def _schedule(config: Mapping[str, Any], case: Case, optimizer: torch.optim.Optimizer) -> Any:
    arguments = {key: value for key, value in config.items() if key not in ("schedule", "steps", "schedulers")}
    if config["schedule"] in ("LambdaLR", "MultiplicativeLR"):
        factors = case["lr_lambda"]
        arguments["lr_lambda"] = lambda t: float(factors[t])
    where = torch.optim.swa_utils if config["schedule"] == "SWALR" else torch.optim.lr_scheduler
    kind = getattr(where, config["schedule"])
    if "schedulers" not in config:
        return kind(optimizer, **arguments)
    parts = [_schedule(part, case, optimizer) for part in config["schedulers"]]
    if config["schedule"] == "ChainedScheduler":
        return kind(parts, optimizer=optimizer)
    return kind(optimizer, parts, **arguments)


class _Network(torch.nn.Module):
    """An RNN, LSTM or GRU whose last step's output goes through a linear layer."""

    def __init__(self, config: Mapping[str, Any], dtype: torch.dtype) -> None:
        super().__init__()
        (kind,) = config.keys() & {"rnn", "lstm", "gru"}
        self.kind = kind
        self.add_module(kind, getattr(torch.nn, kind.upper())(**config[kind], dtype=dtype))
        self.linear = torch.nn.Linear(**config["linear"], dtype=dtype)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        recurrent: Any = self.get_submodule(self.kind)
        output, _ = recurrent(x)
        logits: torch.Tensor = self.linear(output[:, -1] if recurrent.batch_first else output[-1])
        return logits


def training(case: Case) -> Trace:
    model = _Network(case.config, _dtype(case))
    model.load_state_dict({name: torch.from_numpy(value) for name, value in case.params().items()})
    params = dict(model.named_parameters())
    algorithm = make_optimizer(case.config["optimizer"], params)
    trace: Trace = {}
    for k in range(1, case.steps + 1):
        logits = model(torch.from_numpy(case[f"step{k}.input"]))
        value = torch.nn.functional.cross_entropy(logits, torch.from_numpy(case[f"step{k}.target"]))
        algorithm.zero_grad()
        value.backward()  # type: ignore[no-untyped-call]
        trace[f"step{k}.loss"] = _array(value)
        trace |= {f"step{k}.grad.{name}": _array(_grad_of(param)) for name, param in params.items()}
        algorithm.step()
        trace |= _step_trace(k, params, algorithm)
    return trace


training_lstm = training_gru = training


def notebook(case: Case) -> Trace:
    """Layers in a row as torch has them; one bias is torch's bias_ih with bias_hh fixed at zero."""
    config = case.config
    layers = [_notebook_layer(entry["class"], entry["arguments"], case) for entry in config["layers"]]
    params: dict[str, torch.Tensor] = {}
    for index, (layer, _) in enumerate(layers):
        for name, param in layer.named_parameters():
            if f"param.{index}.{name}" in case:
                param.data = torch.from_numpy(case[f"param.{index}.{name}"])
                params[f"{index}.{name}"] = param
            else:
                param.data.zero_()
    algorithm = _notebook_optimizer(config["optimizer"], params)

    trace: Trace = {}
    for k in range(1, case.steps + 1):
        x = _leaf(case[f"step{k}.input"])
        signal = x
        for _, forward in layers:
            signal = forward(signal)
        # the last layer of a classifier gives scores; what the classes return are probabilities
        target = case.get(f"step{k}.target")
        trace[f"step{k}.output"] = _array(signal if target is None else torch.softmax(signal, dim=1))
        algorithm.zero_grad()
        if target is None:
            signal.backward(torch.from_numpy(case[f"step{k}.d_output"]))  # type: ignore[no-untyped-call]
        else:
            loss_value = torch.nn.functional.cross_entropy(signal, torch.from_numpy(target))
            loss_value.backward()  # type: ignore[no-untyped-call]
        algorithm.step()
        trace[f"step{k}.grad.input"] = _array(_grad_of(x))
        trace |= {f"step{k}.param.{name}": _array(param) for name, param in params.items()}
    return trace


def error(case: Case) -> Trace:
    return outcome(pytorch_calls.call, case).trace


_ACTIVATIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "Tanh": torch.tanh,
    "ReLU": torch.relu,
    "sigmoid": torch.sigmoid,
}


def _notebook_layer(
    kind: str, arguments: Mapping[str, Any], case: Case
) -> tuple[torch.nn.Module, Callable[[torch.Tensor], torch.Tensor]]:
    if kind in ("SimpleRNN", "SimpleRNN2"):
        sizes = arguments["n_features"], arguments["n_nodes"]
        model = torch.nn.RNN(*sizes, batch_first=True, dtype=_dtype(case))
        activation = arguments["activation"]
        if activation == "ReLU":
            model = torch.nn.RNN(*sizes, nonlinearity="relu", batch_first=True, dtype=_dtype(case))
        run = model if activation in ("Tanh", "ReLU") else _unrolled(model, _ACTIVATIONS[activation])
        if kind == "SimpleRNN":
            return model, lambda x: run(x)[0]
        return model, lambda x: run(x)[0][:, -1]
    if kind == "FC":
        layer = torch.nn.Linear(arguments["n_nodes1"], arguments["n_nodes2"], dtype=_dtype(case))
        return layer, layer
    if kind == "Softmax":  # cross_entropy takes the scores
        return torch.nn.Identity(), lambda x: x
    return torch.nn.Identity(), _ACTIVATIONS[kind]


def _unrolled(
    model: torch.nn.RNN, activation: Callable[[torch.Tensor], torch.Tensor]
) -> Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]:
    """The recurrence of nn.RNN's documentation for an activation that nn.RNN does not offer."""

    linear = torch.nn.functional.linear
    weight_ih, weight_hh, bias_ih, bias_hh = model.parameters()

    def run(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        h = torch.zeros(x.shape[0], model.hidden_size, dtype=x.dtype)
        states = []
        for t in range(x.shape[1]):
            h = activation(linear(x[:, t], weight_ih, bias_ih) + linear(h, weight_hh, bias_hh))
            states.append(h)
        return torch.stack(states, dim=1), h[None]

    return run


def _notebook_optimizer(config: Mapping[str, Any], params: Tensors) -> torch.optim.Optimizer:
    arguments = dict(config["arguments"])
    if config["class"] == "Adam":
        betas = [arguments.pop("beta1", 0.9), arguments.pop("beta2", 0.999)]
        return make_optimizer({"algorithm": "Adam", "lr": 0.001, "betas": betas} | arguments, params)
    if config["class"] == "AdaGrad":
        return make_optimizer({"algorithm": "Adagrad"} | arguments, params)
    defaults = {"lr": 0.01, "momentum": 0.9} if config["class"] == "Momentum" else {}
    return make_optimizer({"algorithm": "SGD"} | defaults | arguments, params)


def make_optimizer(config: Mapping[str, Any], params: Tensors) -> torch.optim.Optimizer:
    """The algorithm of a case's configuration over named parameters, one tensor at a time."""
    return _made(config, list(params.values()))


def _made(config: Mapping[str, Any], params: list[Any]) -> torch.optim.Optimizer:
    algorithm = getattr(torch.optim, config["algorithm"])
    # foreach=False selects the single-tensor path; not all take fused, which is off then too
    ways = {"foreach": False} if "foreach" in inspect.signature(algorithm).parameters else {}
    made: torch.optim.Optimizer = algorithm(params, **_arguments(config), **ways)
    return made


def _arguments(config: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(v) if isinstance(v, list) else v for key, v in config.items() if key != "algorithm"}


def _step_trace(k: int, params: Tensors, algorithm: torch.optim.Optimizer) -> Trace:
    trace = {f"step{k}.param.{name}": _array(param) for name, param in params.items()}
    for name, param in params.items():
        for key, value in algorithm.state.get(param, {}).items():
            if value is not None:
                # SparseAdam counts its steps in a Python int; after sparse gradients SGD's velocity is sparse
                array = _array(value.to_dense()) if isinstance(value, torch.Tensor) else np.asarray(value)
                trace[f"step{k}.state.{name}.{key}"] = array
    return trace


def _grads(case: Case, outputs: Tensors, inputs: Tensors) -> Trace:
    """Gradients of the inputs, given the case's upstream gradients (``d_output``, ...) of the outputs."""
    given = {f"d_{name}": value for name, value in outputs.items() if f"d_{name}" in case}
    upstream = [torch.from_numpy(case[name]) for name in given]
    grads = torch.autograd.grad(list(given.values()), list(inputs.values()), upstream)
    return {f"grad.{name}": _array(grad) for name, grad in zip(inputs, grads, strict=True)}


_SEED = 20240229


def _linear_bounds(shape: tuple[int, ...], case: Case) -> Trace:
    layer = torch.nn.Linear(shape[1], shape[0], dtype=_dtype(case))
    torch.manual_seed(_SEED)
    layer.reset_parameters()
    torch.manual_seed(_SEED)
    bounds: Trace = {}
    for key, parameter in layer.named_parameters():
        unit = torch.nn.init.uniform_(torch.empty_like(parameter), -1.0, 1.0)
        bounds[f"bound.{key}"] = _factor(parameter.detach(), unit)
    return bounds


_KINDS: dict[str, tuple[Callable[..., torch.nn.Module], int]] = {
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
    module = kind(**config, dtype=_dtype(case))
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
    return _array(y[0] - slope * x[0]), _array(slope)


def _draw(initialize: Callable[[], torch.Tensor]) -> torch.Tensor:
    torch.manual_seed(_SEED)
    return initialize().detach()


def _draw_unit(name: str, shape: tuple[int, ...], case: Case) -> torch.Tensor:
    arguments = (-1.0, 1.0) if name == "uniform_" else (0.0, 1.0)
    return _draw(lambda: getattr(torch.nn.init, name)(torch.empty(shape, dtype=_dtype(case)), *arguments))


def _factor(drawn: torch.Tensor, unit: torch.Tensor) -> Array:
    """The factor between two draws, where rounding disturbs it least."""
    largest = unit.abs().argmax()
    return _array(drawn.flatten()[largest] / unit.flatten()[largest])


def _dtype(case: Case) -> torch.dtype:
    return torch.float32 if case.dtype == np.float32 else torch.float64


def _leaf(array: Array) -> torch.Tensor:
    return torch.from_numpy(array).requires_grad_()


def _tensors(case: Case, names: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(case[name]) for name in names}


def _grad_of(param: torch.Tensor) -> torch.Tensor:
    if param.grad is None:
        raise RuntimeError("torch computed no gradient")
    return param.grad


def _array(tensor: torch.Tensor) -> Array:
    array: Array = tensor.detach().clone().numpy()
    return array


def _number(value: float, case: Case) -> Array:
    number: Array = case.dtype.type(value)
    return number
