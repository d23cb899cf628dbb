"""torch as an implementation: the expectation. Beside it only the other modules ``pytorch_*`` import torch.

Everything is computed by torch's own modules, functions and optimizers, gradients by autograd. ``foreach`` and
``fused`` are ways of executing an optimizer, not arguments of its algorithm: neither is used.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
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

from conformance.adapters import pytorch_calls
from conformance.adapters.pytorch_initializers import initializer, initializer_values
from conformance.adapters.pytorch_optimizers import (
    make_optimizer,
    optimizer,
    optimizer_closure,
    optimizer_groups,
    optimizer_sparse,
    optimizer_switched,
    step_trace,
)
from conformance.adapters.pytorch_tensors import Tensors, array_of, dtype_of, grad_of, leaf, tensors_of
from conformance.case import Case
from conformance.refusals import outcome
from conformance.trace import Trace

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
    model = kind(**config, dtype=dtype_of(case))
    model.load_state_dict(tensors_of(case, model.state_dict()))
    model.train(config["dropout"] == 0 or "dropout_masks" in case)
    inputs = {name: leaf(case[name]) for name in ("input", "h_0", "c_0") if name in case}
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
    return {name: array_of(value) for name, value in outputs.items()} | grads


def _sequences(case: Case, kind: Callable[..., torch.nn.Module]) -> Trace:
    """A network over a list of sequences: packed, run, and padded to the length that the case asks for."""
    config = dict(case.config)
    enforce_sorted = config.pop("enforce_sorted")
    padding = {name: config.pop(name) for name in ("padding_value", "total_length")}
    model = kind(**config, dtype=dtype_of(case))
    model.load_state_dict(tensors_of(case, model.state_dict()))
    sequences = {f"sequence{key}": leaf(value) for key, value in case.params("sequence").items()}
    initial = {name: leaf(case[name]) for name in ("h_0", "c_0") if name in case}
    packed = pack_sequence(list(sequences.values()), enforce_sorted)
    output, final = model(packed, *(initial.values() if len(initial) == 1 else [tuple(initial.values())]))
    output, _ = pad_packed_sequence(output, config["batch_first"], **padding)
    outputs = {"output": output}
    outputs |= {"h_n": final} if isinstance(final, torch.Tensor) else {"h_n": final[0], "c_n": final[1]}
    grads = _grads(case, outputs, sequences | initial | dict(model.named_parameters()))
    return {name: array_of(value) for name, value in outputs.items()} | grads


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
    return {name: array_of(value) for name, value in trace.items()}


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
    model = kind(**case.config, dtype=dtype_of(case))
    model.load_state_dict(tensors_of(case, model.state_dict()))
    inputs = {name: leaf(case[name]) for name in ("input", "hx", "cx") if name in case}
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
    trace = {name: array_of(value) for name, value in outputs.items()}
    return trace | {f"grad.{name}": array_of(grad) for name, grad in zip(leaves, grads, strict=True)}


def linear(case: Case) -> Trace:
    model = torch.nn.Linear(**case.config, dtype=dtype_of(case))
    model.load_state_dict(tensors_of(case, model.state_dict()))
    x = leaf(case["input"])
    output = model(x)
    grads = _grads(case, {"output": output}, {"input": x} | dict(model.named_parameters()))
    return {"output": array_of(output), **grads}


def activation(case: Case) -> Trace:
    config = dict(case.config)
    function: Callable[..., torch.Tensor] = getattr(torch.nn.functional, config.pop("function"))
    x = leaf(case["input"])
    output = function(x, **config)
    return {"output": array_of(output), **_grads(case, {"output": output}, {"input": x})}


def loss(case: Case) -> Trace:
    config = dict(case.config)
    function: Callable[..., torch.Tensor] = getattr(torch.nn.functional, config.pop("function"))
    if "weight" in case:
        config["weight"] = torch.from_numpy(case["weight"])
    x = leaf(case["input"])
    with warnings.catch_warnings():
        # mean squared error of shapes that differ: a case that broadcasts says so in its note
        warnings.filterwarnings("ignore", "Using a target size")
        output = function(x, torch.from_numpy(case["target"]), **config)
    return {"output": array_of(output), **_grads(case, {"output": output}, {"input": x})}


def clip(case: Case) -> Trace:
    config = dict(case.config)
    name = config.pop("function")
    if "norm_type" in config:
        config["norm_type"] = float(config["norm_type"])
    params = {key: leaf(np.zeros_like(value)) for key, value in case.params("grad.").items()}
    for key, value in case.params("grad.").items():
        params[key].grad = torch.from_numpy(value)
    norm = getattr(torch.nn.utils, f"{name}_")(list(params.values()), **config, foreach=False)
    trace = {f"grad.{key}": array_of(grad_of(param)) for key, param in params.items()}
    return trace if norm is None else trace | {"total_norm": array_of(norm)}


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
    model = _Network(case.config, dtype_of(case))
    model.load_state_dict({name: torch.from_numpy(value) for name, value in case.params().items()})
    params = dict(model.named_parameters())
    algorithm = make_optimizer(case.config["optimizer"], params)
    trace: Trace = {}
    for k in range(1, case.steps + 1):
        logits = model(torch.from_numpy(case[f"step{k}.input"]))
        value = torch.nn.functional.cross_entropy(logits, torch.from_numpy(case[f"step{k}.target"]))
        algorithm.zero_grad()
        value.backward()  # type: ignore[no-untyped-call]
        trace[f"step{k}.loss"] = array_of(value)
        # as backpropagation comes to them: the first that is wrong is the nearest to the mistake
        trace |= {f"step{k}.grad.{name}": array_of(grad_of(param)) for name, param in reversed(params.items())}
        algorithm.step()
        trace |= step_trace(k, params, algorithm)
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
        x = leaf(case[f"step{k}.input"])
        signal = x
        for _, forward in layers:
            signal = forward(signal)
        # the last layer of a classifier gives scores; what the classes return are probabilities
        target = case.get(f"step{k}.target")
        trace[f"step{k}.output"] = array_of(signal if target is None else torch.softmax(signal, dim=1))
        algorithm.zero_grad()
        if target is None:
            signal.backward(torch.from_numpy(case[f"step{k}.d_output"]))  # type: ignore[no-untyped-call]
        else:
            loss_value = torch.nn.functional.cross_entropy(signal, torch.from_numpy(target))
            loss_value.backward()  # type: ignore[no-untyped-call]
        algorithm.step()
        trace[f"step{k}.grad.input"] = array_of(grad_of(x))
        trace |= {f"step{k}.param.{name}": array_of(param) for name, param in params.items()}
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
        model = torch.nn.RNN(*sizes, batch_first=True, dtype=dtype_of(case))
        activation = arguments["activation"]
        if activation == "ReLU":
            model = torch.nn.RNN(*sizes, nonlinearity="relu", batch_first=True, dtype=dtype_of(case))
        run = model if activation in ("Tanh", "ReLU") else _unrolled(model, _ACTIVATIONS[activation])
        if kind == "SimpleRNN":
            return model, lambda x: run(x)[0]
        return model, lambda x: run(x)[0][:, -1]
    if kind == "FC":
        layer = torch.nn.Linear(arguments["n_nodes1"], arguments["n_nodes2"], dtype=dtype_of(case))
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


def _grads(case: Case, outputs: Tensors, inputs: Tensors) -> Trace:
    """Gradients of the inputs, given the case's upstream gradients (``d_output``, ...) of the outputs."""
    given = {f"d_{name}": value for name, value in outputs.items() if f"d_{name}" in case}
    upstream = [torch.from_numpy(case[name]) for name in given]
    grads = torch.autograd.grad(list(given.values()), list(inputs.values()), upstream)
    return {f"grad.{name}": array_of(grad) for name, grad in zip(inputs, grads, strict=True)}
