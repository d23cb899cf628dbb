"""torch's own test inputs of its modules, as cases: the suite ``torch-modules``.

``torch.testing._internal.common_modules`` lists for every module what it is constructed with and what it is then
called with, and wrong calls likewise. A case has the same numbers, the parameters that the module starts with under a
fixed seed, and upstream gradients drawn from a generator seeded with the case's name. Training and evaluation differ
for dropout only, which no input asks for: each input is one case.
"""

from __future__ import annotations

import inspect
import typing
import warnings
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence
from torch.testing._internal.common_modules import ModuleInfo, ModuleInput, module_db

from conformance.case import Case
from conformance.cases import cell, networks

SUITE = "torch-modules"
SEED = 20240229

NETWORKS = ("RNN", "LSTM", "GRU")
CELLS = ("RNNCell", "LSTMCell", "GRUCell")
ACTIVATIONS = {
    "Tanh": "tanh",
    "ReLU": "relu",
    "Sigmoid": "sigmoid",
    "Softmax": "softmax",
    "LogSoftmax": "log_softmax",
}
LOSSES = {"CrossEntropyLoss": "cross_entropy", "NLLLoss": "nll_loss", "MSELoss": "mse_loss"}
LOSS_OPTIONS = ("reduction", "ignore_index", "label_smoothing")
MODULES = frozenset((*NETWORKS, *CELLS, "Linear", *ACTIVATIONS, *LOSSES))


def cases() -> Iterator[Case]:
    for info in module_db:
        if info.module_cls.__name__ in MODULES:
            for dtype in info.dtypes:
                for number, sample in enumerate(samples(info, dtype)):
                    yield _case(info.module_cls, number, sample, dtype)
                for number, wrong in enumerate(error_samples(info, dtype)):
                    yield _error(info.module_cls, number, wrong.module_error_input, dtype)


def samples(info: ModuleInfo, dtype: torch.dtype) -> list[ModuleInput]:
    """torch's inputs of a module; for networks with those that are packed, which are left out unless asked for."""
    options = {"with_packed_sequence": True} if info.module_cls.__name__ in ("RNN", "GRU") else {}
    return list(_seeded(lambda: info.module_inputs_func(info, "cpu", dtype, False, False, **options)))


def error_samples(info: ModuleInfo, dtype: torch.dtype) -> list[Any]:
    """torch's wrong inputs of a module, with the class of exception that its tests expect."""
    function = info.module_error_inputs_func
    return [] if function is None else list(_seeded(lambda: function(info, "cpu", dtype, False, False)))


def _seeded(build: Callable[[], Any]) -> Any:
    """What is built from draws under a fixed seed; nobody else's draws change."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        return build()


def _case(kind: Any, number: int, sample: ModuleInput, dtype: torch.dtype) -> Case:
    name, given = kind.__name__, sample.forward_input
    description = "-".join(filter(None, [name, f"{number:02d}", sample.desc.strip("_")]))
    note = f"input {number} of nn.{name} in torch's own tests"
    if dtype not in (torch.float64, torch.float32):
        return _made(_family(name), description, {}, {}, dtype, note, f"{dtype} is not covered")
    model = _seeded(lambda: kind(*sample.constructor_input.args, **sample.constructor_input.kwargs)).to(dtype)
    if getattr(model, "dropout", 0):
        return _made(_family(name), description, {}, {}, dtype, note, "torch draws the masks of dropout inside")
    inputs = list(inspect.signature(model.forward).bind(*given.args, **given.kwargs).arguments.values())
    with torch.no_grad(), warnings.catch_warnings():
        # it then computes without oneDNN, as it does in float64 anyway
        warnings.filterwarnings("ignore", "LSTM with projections is not supported with oneDNN")
        result = model(*inputs)
    family, config, arrays, outputs = _parts(name, model, inputs, result)
    rng = np.random.default_rng(zlib.crc32(description.encode()))
    tensors = arrays | model.state_dict()
    upstream = {f"d_{key}": torch.from_numpy(rng.standard_normal(value.shape)) for key, value in outputs.items()}
    if family.endswith("_cell"):
        upstream = {f"step1.{key}": value for key, value in upstream.items()}
    return _made(family, description, config, tensors | {k: v.to(dtype) for k, v in upstream.items()}, dtype, note)


def _family(name: str) -> str:
    if name in ACTIVATIONS:
        return "activation"
    return "loss" if name in LOSSES else name.lower().replace("cell", "_cell")


Parts = tuple[str, dict[str, Any], dict[str, torch.Tensor], dict[str, torch.Tensor]]
"""family, configuration, inputs by our names, outputs that have an upstream gradient"""


def _parts(name: str, model: Any, inputs: list[Any], result: Any) -> Parts:
    if name in NETWORKS:
        return _network(name.lower(), model, inputs, result)
    if name in CELLS:
        return _cell(_family(name), model, inputs, result)
    if name == "Linear":
        config = {"in_features": model.in_features, "out_features": model.out_features, "bias": model.bias is not None}
        return "linear", config, {"input": inputs[0]}, {"output": result}
    if name in ACTIVATIONS:
        config = {"function": ACTIVATIONS[name]} | ({"dim": model.dim} if "Softmax" in name else {})
        return "activation", config, {"input": inputs[0]}, {"output": result}
    config = {"function": LOSSES[name]} | {key: getattr(model, key) for key in LOSS_OPTIONS if hasattr(model, key)}
    return "loss", config, dict(zip(("input", "target"), inputs, strict=True)), {"output": result}


def _network(kind: str, model: Any, inputs: list[Any], result: Any) -> Parts:
    x, *initial = inputs
    output, final = result
    config = {key: getattr(model, key) for key in ("input_size", "hidden_size", *networks.DEFAULTS[kind])}
    arrays, family = {"input": x}, kind
    if isinstance(x, PackedSequence):
        family, config = f"{kind}_packed", config | {"enforce_sorted": True}
        arrays["input"], arrays["lengths"] = pad_packed_sequence(x, model.batch_first)
        output, _ = pad_packed_sequence(output, model.batch_first)
    elif x.ndim == 2:
        family = f"{kind}_unbatched"
    states = networks.STATES[kind]
    if initial:
        arrays |= {f"{state}_0": value for state, value in zip(states, _together(initial[0]), strict=True)}
    finals = {f"{state}_n": value for state, value in zip(states, _together(final), strict=True)}
    return family, config, arrays, {"output": output} | finals


def _cell(family: str, model: Any, inputs: list[Any], result: Any) -> Parts:
    x, *initial = inputs
    config = {key: getattr(model, key) for key in ("input_size", "hidden_size", *cell.DEFAULTS[family])}
    states = cell.STATES[family]
    arrays = {"input": x[None]}  # one step
    if initial:
        arrays |= {f"{state}x": value for state, value in zip(states, _together(initial[0]), strict=True)}
    return family, config, arrays, dict(zip(states, _together(result), strict=True))


def _together(states: Any) -> tuple[torch.Tensor, ...]:
    return states if isinstance(states, tuple) else (states,)


def _error(kind: Any, number: int, sample: ModuleInput, dtype: torch.dtype) -> Case:
    name, given = kind.__name__, sample.forward_input
    description, note = f"{name}-error-{number:02d}", f"wrong call {number} of nn.{name} in torch's own tests"
    if dtype not in (torch.float64, torch.float32):
        return _made("error", description, {}, {}, dtype, note, f"{dtype} is not covered")
    signature = inspect.signature(typing.get_overloads(kind.__init__)[0] if name in NETWORKS else kind.__init__)
    constructed = signature.bind(None, *sample.constructor_input.args, **sample.constructor_input.kwargs).arguments
    arguments = {key: value for key, value in constructed.items() if key not in ("self", "dtype", "device")}
    tensors: dict[str, torch.Tensor] = {}
    call = f"nn.functional.{LOSSES[name]}" if name in LOSSES else f"nn.{name}"
    if name in LOSSES and "weight" in arguments:
        tensors["weight"] = arguments.pop("weight")
    if name in NETWORKS:
        arguments = networks.DEFAULTS[name.lower()] | arguments
    if given is not None:
        x, *others = given.args
        tensors["input"] = x
        if name in LOSSES:
            tensors["target"] = others[0]
        else:
            tensors |= _seeded(lambda: kind(**arguments)).to(dtype).state_dict()
            states = ("hx", "cx") if name in CELLS else ("h_0", "c_0")
            tensors |= dict(zip(states, _together(others[0]), strict=False)) if others else {}
    return _made("error", description, {"call": call, "arguments": arguments}, tensors, dtype, note)


def _made(
    family: str,
    description: str,
    config: dict[str, Any],
    tensors: dict[str, torch.Tensor],
    dtype: torch.dtype,
    note: str,
    left_out: str | None = None,
) -> Case:
    arrays = {name: tensor.detach().numpy() for name, tensor in tensors.items()}
    own = np.dtype(str(dtype).removeprefix("torch."))
    return Case(SUITE, family, description, config, arrays, note, "quick", own, left_out=left_out)
