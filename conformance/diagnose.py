"""Which known divergences explain what an implementation does.

Searched for is the smallest set of divergences with which the reference gives the implementation's traces, on
every case of a family, those that agree with torch included. The set grows case by case, from the cases that
few divergences reach, and within a case array by array in order of dataflow: where a candidate no longer
explains an array, it is extended by the divergences that change this array, one or two at a time, keeping all
that it explained before. In the end members are dropped while the match holds.

A match is judged with the tolerance of the *patched* reference: a divergence can amplify rounding.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from types import CodeType, FrameType
from typing import Any, TypeVar

import numpy as np

from conformance import tolerance
from conformance.adapters import reference
from conformance.case import Array, Case
from conformance.compare import Comparison
from conformance.divergences import Divergence, applied, catalogue
from conformance.divergences.patching import ConflictError, functions_of, source
from conformance.tolerance import Precision
from conformance.trace import Trace

Set = frozenset[str]
Runnable = TypeVar("Runnable")
"""a case, or whatever else runs the reference"""

MOST_CANDIDATES = 24
"""sets that are followed at a time; more would be alike on all cases seen so far"""

MOST_FAILURES = 3
"""cases that no set explains, after which only single divergences are still tried on the others"""

EXPLODES = 1e6
"""how many times larger than right an array has to be for its digits to be rounding's, not the formula's"""

ROUNDING_FACTOR = 4.0
"""a divergence of precision is recognised by errors between a fourth and four times what it predicts, over all arrays"""
ROUNDING_FACTOR_OF_ONE = 32.0
"""the same for a single array, which may have no more than one element"""


@dataclass(frozen=True, eq=False)
class Observation:
    """What an implementation gave for a case."""

    case: Case
    actual: Trace
    """the arrays that can be compared, in torch's dtype"""
    diverges: bool


@dataclass(frozen=True)
class Diagnosis:
    """What explains an implementation's traces of one family."""

    family: str
    sets: tuple[tuple[str, ...], ...]
    """every minimal set of divergences that explains most; empty if none explains anything"""
    explained: int
    """diverging cases that each of them explains as a whole"""
    diverging: int
    complete: bool
    """whether they explain every case, the agreeing ones too"""
    cases: tuple[str, ...] = ()
    """the diverging cases that they explain"""


@dataclass
class Search:
    """The search over one family; ``seconds`` limits it."""

    family: str
    observations: Sequence[Observation]
    precision: Precision
    seconds: float = 20.0
    known: Sequence[Divergence] = field(default_factory=catalogue)

    def __post_init__(self) -> None:
        self.by_id = {divergence.id: divergence for divergence in self.known if not divergence.equivalent}
        self.run: Callable[[Case], Trace] = getattr(reference, self.family)
        self.traces: dict[tuple[Set, str], Trace | None] = {}
        self.sigmas: dict[tuple[Set, str], dict[str, Array]] = {}
        self.thorough = False
        self.deadline = time.perf_counter() + self.seconds
        self.reaching = {seen.case.id: self._reaching(seen.case) for seen in self.observations}

    # ------------------------------------------------------------------------------------------------- search

    def diagnose(self) -> Diagnosis:
        """The smallest sets that explain the most."""
        diverging = sorted((seen for seen in self.observations if seen.diverges), key=self._difficulty)
        candidates: list[Set] = [frozenset()]
        explained: list[Observation] = []
        for tried, seen in enumerate(diverging):
            failures = tried - len(explained)
            grown = self._explaining(candidates, seen, explained, pairs=failures < MOST_FAILURES)
            if grown:
                candidates = grown
                explained.append(seen)
        # with a set in hand, the cases that were given up on are worth the full tolerance
        self.thorough = True
        for seen in diverging:
            if seen not in explained:
                matching = [candidate for candidate in candidates if candidate and self._explains(candidate, seen)]
                if matching:
                    candidates = matching
                    explained.append(seen)
        candidates = [self._shrunk(candidate, explained) for candidate in dict.fromkeys(candidates)]
        candidates = [candidate for candidate in dict.fromkeys(candidates) if candidate]
        agreeing = [seen for seen in self.observations if not seen.diverges]
        whole = [candidate for candidate in candidates if all(self._explains(candidate, seen) for seen in agreeing)]
        kept = whole or candidates
        smallest = min((len(candidate) for candidate in kept), default=0)
        return Diagnosis(
            self.family,
            tuple(sorted(tuple(self._ordered(candidate)) for candidate in kept if len(candidate) == smallest)),
            len(explained) if kept else 0,
            len(diverging),
            bool(whole) and len(explained) == len(diverging),
            tuple(seen.case.id for seen in explained) if kept else (),
        )

    def _difficulty(self, seen: Observation) -> tuple[int, int]:
        return len(self.reaching[seen.case.id]), sum(array.size for array in seen.actual.values())

    def _ordered(self, candidate: Set) -> Iterator[str]:
        return (name for name in self.by_id if name in candidate)

    def _explaining(
        self, candidates: list[Set], seen: Observation, before: list[Observation], pairs: bool
    ) -> list[Set]:
        """The candidates, extended where they must be, that explain this case and all before it."""
        grown = self._grown(candidates, seen, before, pairs, wider=False)
        if grown or self._late() or not pairs:
            return grown
        return self._grown(candidates, seen, before, pairs, wider=True)

    def _grown(
        self, candidates: list[Set], seen: Observation, before: list[Observation], pairs: bool, wider: bool
    ) -> list[Set]:
        names = ordered(seen.actual)
        for upto in range(1, len(names) + 1):
            part = names[:upto]
            kept = [candidate for candidate in candidates if self._matches(candidate, seen, part[-1:])]
            if not kept or wider:
                for candidate in candidates:
                    if candidate not in kept and not self._late():
                        kept += self._extensions(candidate, seen, part, before, pairs, wider)
            candidates = sorted(dict.fromkeys(kept), key=len)[:MOST_CANDIDATES]
            if not candidates:
                return []
        return candidates

    def _extensions(
        self, candidate: Set, seen: Observation, part: list[str], before: list[Observation], pairs: bool, wider: bool
    ) -> list[Set]:
        """The candidate with one or two more, so that this part of the case and all cases before are explained."""
        pool = [name for name in self.reaching[seen.case.id] if name not in candidate]
        now = self.trace(candidate, seen.case)
        changing = [name for name in pool if self._changes(candidate | {name}, seen.case, part[-1], now)]
        found = [candidate | {name} for name in changing]
        found = [grown for grown in found if self._holds(grown, seen, part, before)]
        if not pairs or (found and not wider):
            return found
        members = set(changing)
        for pair in combinations(pool, 2):
            if self._late():
                break
            if members.isdisjoint(pair):
                continue
            grown = candidate | set(pair)
            if self._holds(grown, seen, part, before):
                found.append(grown)
        return found

    def _holds(self, candidate: Set, seen: Observation, part: list[str], before: list[Observation]) -> bool:
        return self._matches(candidate, seen, part) and all(self._explains(candidate, other) for other in before)

    def _shrunk(self, candidate: Set, explained: list[Observation]) -> Set:
        for name in candidate:
            smaller = candidate - {name}
            if all(self._explains(smaller, seen) for seen in explained):
                return self._shrunk(smaller, explained)
        return candidate

    def _late(self) -> bool:
        return time.perf_counter() > self.deadline

    # ------------------------------------------------------------------------------------------------ matching

    def _explains(self, candidate: Set, seen: Observation) -> bool:
        return self._matches(candidate, seen, list(seen.actual))

    def _matches(self, candidate: Set, seen: Observation, names: Iterable[str]) -> bool:
        predicted = self.trace(candidate, seen.case)
        if predicted is None:
            return False
        coarse = {name for name in candidate if self.by_id[name].precision}
        exact = self.trace(candidate - coarse, seen.case) if coarse else None
        ratios = []
        for name in names:
            actual, value = seen.actual[name], predicted.get(name)
            if value is None or value.shape != actual.shape:
                return False
            # what was observed has torch's dtype, whatever the implementation computed it in
            value = value.astype(actual.dtype, copy=False)
            if exact is not None and not np.array_equal(exact[name], value, equal_nan=True):
                ratios.append(_rounding_ratio(actual, value, exact[name]))
                if not 1 / ROUNDING_FACTOR_OF_ONE <= ratios[-1] <= ROUNDING_FACTOR_OF_ONE:
                    return False
            elif not self._equal(candidate - coarse, seen.case, name, actual, value):
                return False
        return not ratios or 1 / ROUNDING_FACTOR <= np.exp(np.mean(np.log(ratios))) <= ROUNDING_FACTOR

    def _equal(self, candidate: Set, case: Case, name: str, actual: Array, value: Array) -> bool:
        """Whether two arrays differ by rounding only."""
        if value.size == 0:
            return True
        unit = self.precision.unit
        exact = self.trace(frozenset(), case)
        if candidate and exact is not None and name in exact and _size(value) > EXPLODES * _size(exact[name]) > 0:
            return _size(actual) > EXPLODES**0.5 * _size(exact[name])
        with np.errstate(all="ignore"):
            same = (actual == value) | (np.isnan(actual) & np.isnan(value))
            difference = np.where(same, 0, np.abs(actual.astype(np.float64) - value))
        if not np.all(np.isfinite(difference)):
            return False
        size = _size(np.where(np.isfinite(value), value, 0))
        distance = tolerance.norm(difference)
        # most comparisons are decided here: far below what any divergence does, or far beyond rounding
        if distance <= 2**5 * unit * size and np.all(difference <= 2**10 * unit * np.abs(value)):
            return True
        if distance > 2**-3 * unit**0.5 * size and not self.thorough:
            return False
        sigma = self._sigma(candidate, case).get(name)
        return sigma is not None and Comparison.of(actual, value, sigma).ratio <= 1

    def _sigma(self, candidate: Set, case: Case) -> dict[str, Array]:
        key = (candidate, case.id)
        if key not in self.sigmas:
            with applied([self.by_id[name] for name in candidate]), np.errstate(all="ignore"):
                self.sigmas[key] = tolerance.simulate(case, self.run, self.precision).sigma
        return self.sigmas[key]

    def _changes(self, candidate: Set, case: Case, name: str, now: Trace | None) -> bool:
        trace = self.trace(candidate, case)
        if trace is None or name not in trace:
            return False
        return now is None or name not in now or not np.array_equal(trace[name], now[name], equal_nan=True)

    def trace(self, candidate: Set, case: Case) -> Trace | None:
        """What the reference gives with these divergences; None if they fail or cannot be combined."""
        # divergences that this case cannot reach change nothing
        key = (candidate & self.reaching[case.id], case.id)
        if key not in self.traces:
            try:
                with applied([self.by_id[name] for name in key[0]]), np.errstate(all="ignore"):
                    result = {name: np.asarray(value) for name, value in self.run(case).items()}
            except ConflictError:
                self.traces[key] = None
            except Exception:  # a patched reference may fail in any way: then it explains nothing
                self.traces[key] = None
            else:
                self.traces[key] = result
        return self.traces[key]

    def _reaching(self, case: Case) -> frozenset[str]:
        reached = executed(self.run, case)
        return frozenset(name for name, divergence in self.by_id.items() if functions_of(divergence.patches) & reached)


def _size(array: Array) -> float:
    """The norm, infinite if anything is not finite."""
    return tolerance.norm(array) if np.all(np.isfinite(array)) else np.inf


def _rounding_ratio(actual: Array, predicted: Array, exact: Array) -> float:
    """An error over the one that a divergence of precision predicts; 0 if either is not finite."""
    with np.errstate(all="ignore"):
        observed = _size(actual.astype(np.float64) - exact)
        expected = _size(predicted.astype(np.float64) - exact)
    return observed / expected if np.isfinite(observed) and np.isfinite(expected) else 0.0


def ordered(names: Iterable[str]) -> list[str]:
    """Names of arrays in order of dataflow: an optimizer's state comes before the parameter that it moves."""

    def key(entry: tuple[int, str]) -> tuple[int, int, int]:
        position, name = entry
        match = re.match(r"step(\d+)\.(\w+)", name)
        return (int(match[1]), int(match[2] == "param"), position) if match else (0, 0, position)

    return [name for _, name in sorted(enumerate(names), key=key)]


def executed(run: Callable[[Runnable], Any], case: Runnable) -> set[tuple[str, str]]:
    """The functions of the reference that a case goes through."""
    codes: set[CodeType] = set()

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            codes.add(frame.f_code)

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        with np.errstate(all="ignore"):
            run(case)
    finally:
        sys.setprofile(before)
    return {_functions()[code] for code in codes if code in _functions()}


def _functions() -> dict[CodeType, tuple[str, str]]:
    if not _FUNCTIONS:
        for module in {patch.module for divergence in catalogue() for patch in divergence.patches}:
            for name in source(module).functions:
                _FUNCTIONS[source(module).function(name).__code__] = (module, name)
    return _FUNCTIONS


_FUNCTIONS: dict[CodeType, tuple[str, str]] = {}
