"""The arguments of RNN, LSTM and GRU, and the arrays that a case of theirs is made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from conformance.case import Array, Build
from reference.gru import GRU
from reference.lstm import LSTM
from reference.recurrent import Network
from reference.rnn import RNN

SHARED = {"num_layers": 1, "bias": True, "batch_first": False, "dropout": 0.0, "bidirectional": False}
DEFAULTS: dict[str, dict[str, Any]] = {
    "rnn": SHARED | {"nonlinearity": "tanh"},
    "lstm": SHARED | {"proj_size": 0},
    "gru": SHARED,
}
MODELS: dict[str, Callable[..., Network]] = {"rnn": RNN, "lstm": LSTM, "gru": GRU}
STATES: dict[str, tuple[str, ...]] = {"rnn": ("h",), "lstm": ("h", "c"), "gru": ("h",)}
"""what is carried from step to step"""


def config_of(kind: str, input_size: int, hidden_size: int, **options: Any) -> dict[str, Any]:
    """All of the network's arguments, torch's defaults where nothing is said."""
    return {"input_size": input_size, "hidden_size": hidden_size} | DEFAULTS[kind] | options


def arrays_of(
    rng: np.random.Generator,
    kind: str,
    config: dict[str, Any],
    *,
    batch: int | None,
    steps: int,
    initial: bool = True,
    upstream: tuple[str, ...] = ("output", "h_n", "c_n"),
    lengths: tuple[int, ...] = (),
    masks: bool = False,
) -> dict[str, Array]:
    """Random input, states, parameters and upstream gradients.

    ``batch`` None is a single sequence without a batch axis. Dropout masks are scaled by 1 / (1 - dropout).
    """
    model = MODELS[kind](**config)
    sequences, states = len(model.suffixes), dict(zip(STATES[kind], model.state_sizes, strict=True))
    many = () if batch is None else (batch,)
    lead = (*many, steps) if model.batch_first else (steps, *many)
    features = model.num_directions * model.output_size
    arrays = {"input": rng.standard_normal((*lead, model.input_size))}
    if initial:
        arrays |= {f"{name}_0": rng.uniform(-0.8, 0.8, (sequences, *many, size)) for name, size in states.items()}
    for name, shape in model.parameter_shapes.items():
        arrays[name] = drawn(rng, name, shape)
    shapes = {"output": (*lead, features)} | {f"{name}_n": (sequences, *many, size) for name, size in states.items()}
    arrays |= {f"d_{name}": rng.standard_normal(shapes[name]) for name in upstream if name in shapes}
    if lengths:
        arrays["lengths"] = np.array(lengths)
    if masks:
        kept = rng.random((model.num_layers - 1, *lead, features)) >= model.dropout
        arrays["dropout_masks"] = kept / (1 - model.dropout if model.dropout < 1 else 1)
    return arrays


def drawn(rng: np.random.Generator, name: str, shape: tuple[int, ...]) -> Array:
    """A parameter, small enough to keep the states off saturation."""
    return rng.uniform(-1, 1, shape) * (0.9 / np.sqrt(shape[-1]) if "weight" in name else 0.4)


def in_order(lengths: Sequence[int]) -> bool:
    """Whether sequences come in the order that torch asks for where it does not sort them: the longest first."""
    return list(lengths) == sorted(lengths, reverse=True)


def build(kind: str, config: dict[str, Any], **options: Any) -> Build:
    """What draws a case's arrays."""
    return partial(arrays_of, kind=kind, config=config, **options)


def named(**flags: bool) -> list[str]:
    """The flags that are on, as parts of a description."""
    return [name.replace("no_", "no-") for name, on in flags.items() if on]
