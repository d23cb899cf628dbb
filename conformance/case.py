"""A case: one configuration with seeded arrays, an id, and a note saying why it exists."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Level = Literal["quick", "standard"]

DTYPES = ("float64", "float32")
FAMILIES = (
    *("rnn", "rnn_packed", "rnn_dropout", "rnn_packed_dropout", "rnn_unbatched", "rnn_sequences", "rnn_cell"),
    *("lstm", "lstm_packed", "lstm_dropout", "lstm_packed_dropout", "lstm_unbatched", "lstm_sequences", "lstm_cell"),
    *("gru", "gru_packed", "gru_dropout", "gru_packed_dropout", "gru_unbatched", "gru_sequences", "gru_cell"),
    "packing",
    *("linear", "activation", "loss", "initializer", "initializer_values"),
    *("optimizer", "optimizer_groups", "optimizer_sparse", "optimizer_closure", "optimizer_switched", "clip"),
    *("schedule", "training", "training_lstm", "training_gru", "notebook", "error"),
)


def split_step(name: str) -> tuple[int, str]:
    """k and the rest of an array's name ``step<k>.<rest>``; 0 and the whole name if it belongs to no step."""
    match = re.fullmatch(r"step(\d+)\.(.+)", name)
    return (int(match[1]), match[2]) if match else (0, name)


def no_function(family: str) -> str:
    """Why a whole family is skipped."""
    return f"no function named {family}"


@dataclass(frozen=True, eq=False)
class Case(Mapping[str, Array]):
    """A read-only mapping from names to arrays, with what an implementation needs to know about them.

    ``case["input"]`` is a copy, so that an implementation may change what it gets. ``config`` holds all of
    torch's constructor arguments, defaults included.
    """

    suite: str
    family: str
    description: str
    config: Mapping[str, Any]
    arrays: Mapping[str, Array] = field(repr=False)
    note: str
    level: Level
    dtype: np.dtype[Any]
    printed: Mapping[str, Array] = field(default_factory=dict, repr=False)
    """figures in print that the trace must equal too, to half a unit of their last digit (``printed_digits``)"""
    printed_digits: int = 8
    left_out: str | None = None
    """why nothing can run it, if so: it is skipped, with this reason"""
    signed_zeros: bool = False
    """whether +0 and -0 differ: only in cases that are about the sign of zero"""

    def __getitem__(self, name: str) -> Array:
        try:
            return self.arrays[name].copy()
        except KeyError:
            raise KeyError(f"case {self.id} has no array {name!r}; it has {', '.join(self.arrays)}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self.arrays)

    def __len__(self) -> int:
        return len(self.arrays)

    @property
    def id(self) -> str:
        return f"{self.suite}/{self.family}/{self.description}/{self.dtype}"

    @property
    def steps(self) -> int:
        """The largest k of the arrays named ``step<k>...``; 0 if there are none."""
        return max((split_step(name)[0] for name in self.arrays), default=0)

    def params(self, prefix: str = "param.") -> dict[str, Array]:
        """The arrays whose names start with a prefix, without it."""
        return {name.removeprefix(prefix): self[name] for name in self.arrays if name.startswith(prefix)}

    def astype(self, dtype: np.dtype[Any]) -> Case:
        """The same case with its numbers in another float dtype; widening changes no value.

        A constant that an algorithm takes from the dtype stays the one of this case.
        """
        config = self.config
        if config.get("algorithm") == "Adafactor" and config["eps"][0] is None:
            config = {**config, "eps": [float(np.finfo(self.dtype).eps), config["eps"][1]]}
        return replace(self, config=config, arrays=cast(self.arrays, dtype), dtype=dtype)

    def with_arrays(self, change: Callable[[Array], Array]) -> Case:
        """The same case with every array of floats replaced by ``change`` of it."""
        arrays = {name: change(a) if a.dtype.kind == "f" else a for name, a in self.arrays.items()}
        return replace(self, arrays=arrays)


def cast(arrays: Mapping[str, Array], dtype: np.dtype[Any]) -> dict[str, Array]:
    """Floats in ``dtype``; integers, and learning rates, which torch takes as Python floats, as they are."""
    return {
        name: a.astype(dtype) if a.dtype.kind == "f" and not name.endswith(".lr") else a for name, a in arrays.items()
    }


Build = Callable[[np.random.Generator], Mapping[str, Array]]


def cases_of(
    family: str,
    description: str,
    config: Mapping[str, Any],
    build: Build,
    note: str,
    *,
    level: Level = "standard",
    suite: str = "core",
    dtypes: tuple[str, ...] = DTYPES,
    printed: Mapping[str, Array] | None = None,
    signed_zeros: bool = False,
) -> Iterator[Case]:
    """One case per dtype, with the same numbers up to rounding.

    ``build`` draws the arrays in float64 from a generator seeded with the id.
    """
    seed = zlib.crc32(f"{suite}/{family}/{description}".encode())
    arrays = {name: np.asarray(a) for name, a in build(np.random.default_rng(seed)).items()}
    for name in dtypes:
        dtype = np.dtype(name)
        # what is printed was computed in float64: in a narrower dtype rounding alone is larger than a digit
        figures = printed if printed and name == "float64" else {}
        cast_arrays = cast(arrays, dtype)
        yield Case(
            suite, family, description, config, cast_arrays, note, level, dtype, figures, signed_zeros=signed_zeros
        )
