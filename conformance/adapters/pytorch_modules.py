"""torch's own test inputs of its modules, as cases: the suite ``torch-modules``.

``torch.testing._internal.common_modules`` lists for every module what it is constructed with and what it is then
called with. A case has the same numbers, the parameters that the module starts with under a fixed seed, and upstream
gradients drawn from a generator seeded with the case's name.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch.testing._internal.common_modules import ModuleInfo, ModuleInput, module_db

from conformance.case import DTYPES, Array, Case
from conformance.cases.recurrent import DEFAULTS

SUITE = "torch-modules"
SEED = 20240229


def cases() -> Iterator[Case]:
    for info in module_db:
        kind = info.module_cls.__name__.lower()
        if kind in ("rnn",):
            for dtype in DTYPES:
                for number, sample in enumerate(_samples(info, dtype)):
                    yield _network(info, kind, number, sample, dtype)


def _samples(info: ModuleInfo, dtype: str) -> list[ModuleInput]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        samples: list[ModuleInput] = info.module_inputs_func(
            info, device="cpu", dtype=getattr(torch, dtype), requires_grad=False, training=False
        )
    return samples


def _network(info: ModuleInfo, kind: str, number: int, sample: ModuleInput, dtype: str) -> Case:
    model = _made(info, sample, dtype)
    x, *initial = sample.forward_input.args
    output, final = model(x, *initial)
    arrays = {"input": x, **({"h_0": initial[0]} if initial else {}), **model.state_dict()}
    outputs = {"output": output, "h_n": final}
    config = {name: getattr(model, name) for name in ("input_size", "hidden_size", *DEFAULTS[kind])}
    family = kind if x.ndim == 3 else f"{kind}_unbatched"
    return _case(info, number, sample, dtype, family, config, arrays, outputs)


def _made(info: ModuleInfo, sample: ModuleInput, dtype: str) -> Any:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        model = info.module_cls(*sample.constructor_input.args, **sample.constructor_input.kwargs)
    return model.to(getattr(torch, dtype))


def _case(
    info: ModuleInfo,
    number: int,
    sample: ModuleInput,
    dtype: str,
    family: str,
    config: dict[str, Any],
    tensors: dict[str, torch.Tensor],
    outputs: dict[str, torch.Tensor],
) -> Case:
    name = "-".join([info.module_cls.__name__, f"{number:02d}", *([sample.desc.strip("_")] if sample.desc else [])])
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    arrays: dict[str, Array] = {key: value.detach().numpy() for key, value in tensors.items()}
    arrays |= {f"d_{key}": rng.standard_normal(value.shape).astype(dtype) for key, value in outputs.items()}
    note = f"input {number} of {info.name} in torch's own tests"
    return Case(SUITE, family, name, config, arrays, note, "quick", np.dtype(dtype))
