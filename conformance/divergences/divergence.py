"""What a divergence is: data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from conformance.divergences.patching import Patch


@dataclass(frozen=True)
class Divergence:
    """A known, named way of differing from torch."""

    id: str
    title: str
    """completes the sentence "your result is what you get ...": ``with h_t in place of h_{t-1} in d_weight_hh``"""
    note: str
    """what is different and why it matters"""
    patches: tuple[Patch, ...]
    seen_in: tuple[str, ...] = ()
    """who does it"""
    equivalent: str | None = None
    """the argument why no trace can show it, if so"""
    shows_as: Literal["value", "exception", "warning"] = "value"
    precision: bool = False
    """whether it only rounds more coarsely: then it is recognised by the size of its error, not by its digits"""
