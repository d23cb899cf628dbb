"""Which known divergences explain what an implementation does.

Searched for is the smallest set of divergences with which the reference gives the implementation's traces, on
every case of a family, those that agree with torch included. The set grows case by case, from the cases that
few divergences reach, and within a case array by array in order of dataflow: where a candidate no longer
explains an array, it is extended by the divergences that change this array, one or two at a time, keeping all
that it explained before. In the end members are dropped while the match holds.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from conformance.adapters import reference
from conformance.case import split_step
from conformance.divergences import Divergence, catalogue
from conformance.matching import Matcher, Observation, Set
from conformance.tolerance import Precision

MOST_CANDIDATES = 24
"""sets that are followed at a time; more would be alike on all cases seen so far"""

MOST_FAILURES = 3
"""cases that no set explains, after which only single divergences are still tried on the others"""

SECONDS = 20.0
"""how long what diverges is searched for, in all; what has been found by then is reported"""

DEEPEST = 4
WIDTH = 6
"""how many divergences at a time, and how many sets beside each other, are tried where two at a time do not do"""


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
    overwritten: tuple[str, ...] = ()
    """arrays of a step that are the same after every step, in every diverging case"""


@dataclass
class Search:
    """The search over one family. After so many ``seconds`` no set is extended, after 5/4 of them none simulated."""

    family: str
    observations: Sequence[Observation]
    precision: Precision
    seconds: float = SECONDS
    known: Sequence[Divergence] = field(default_factory=catalogue)

    def __post_init__(self) -> None:
        self.deadline = time.perf_counter() + self.seconds
        run = getattr(reference, self.family)
        self.matcher = Matcher(run, self.known, [seen.case for seen in self.observations], self.precision)
        self.matcher.deadline = self.deadline + self.seconds / 4

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
        self.matcher.worth_simulating = np.inf
        for seen in diverging:
            if seen not in explained:
                matching = [
                    candidate for candidate in candidates if candidate and self.matcher.explains(candidate, seen)
                ]
                if matching:
                    candidates = matching
                    explained.append(seen)
        candidates = [self._shrunk(candidate, explained) for candidate in dict.fromkeys(candidates)]
        candidates = [candidate for candidate in dict.fromkeys(candidates) if candidate]
        agreeing = [seen for seen in self.observations if not seen.diverges]
        whole = [
            candidate for candidate in candidates if all(self.matcher.explains(candidate, seen) for seen in agreeing)
        ]
        complete = bool(whole) and len(explained) == len(diverging)
        kept = whole or candidates
        right = self._right(diverging)
        if not complete:
            kept, explained = self._earning(kept, explained, agreeing)
            # half of a divergence is not in the catalogue: the other half would show, and does not
            kept = [candidate for candidate in kept if not self._contradicts(candidate, right)]
        # nor has anybody made two mistakes that happen to cancel
        kept = [candidate for candidate in kept if not self._cancel(candidate, right, diverging)]
        smallest = min((len(candidate) for candidate in kept), default=0)
        return Diagnosis(
            self.family,
            tuple(sorted(tuple(self._ordered(candidate)) for candidate in kept if len(candidate) == smallest)),
            len(explained) if kept else 0,
            len(diverging),
            complete and bool(kept),
            tuple(seen.case.id for seen in explained) if kept else (),
            tuple(self._overwritten(diverging)),
        )

    def _overwritten(self, diverging: Iterable[Observation]) -> list[str]:
        same: dict[str, bool] = {}
        for seen in diverging:
            by_name: dict[str, list[str]] = {}
            for name in seen.actual:
                step, rest = split_step(name)
                if step:
                    by_name.setdefault(rest, []).append(name)
            for rest, names in by_name.items():
                if self._moves(seen, names):
                    first = seen.actual[names[0]]
                    stays = all(np.array_equal(seen.actual[name], first, equal_nan=True) for name in names)
                    # what is as it was at the start was not changed at all
                    begun = rest in seen.case and np.array_equal(first, seen.case[rest], equal_nan=True)
                    same[rest] = same.get(rest, True) and stays and not begun
        return [rest for rest, always in same.items() if always]

    def _moves(self, seen: Observation, names: Sequence[str]) -> bool:
        right = self.matcher.trace(frozenset(), seen.case) or {}
        values = [right[name] for name in names if name in right]
        # arrays only: a number that stays what it is was not returned without a copy
        return any(np.ndim(a) and not np.array_equal(a, values[0], equal_nan=True) for a in values)

    def _difficulty(self, seen: Observation) -> tuple[bool, int, int]:
        size = sum(array.size for array in seen.actual.values())
        return not _is_finite(seen), len(self.matcher.reaching(seen.case)), size

    def _ordered(self, candidate: Set) -> Iterator[str]:
        return (name for name in self.matcher.by_id if name in candidate)

    def _explaining(
        self, candidates: list[Set], seen: Observation, before: list[Observation], pairs: bool
    ) -> list[Set]:
        """The candidates, extended where they must be, that explain this case and all before it."""
        grown = self._grown(candidates, seen, before, pairs, wider=False)
        if grown or self._late() or not pairs:
            return grown
        return self._grown(candidates, seen, before, pairs, wider=True)

    def _matching(self, candidates: Iterable[Set], seen: Observation, name: str) -> list[Set]:
        return [candidate for candidate in candidates if self.matcher.matches(candidate, seen, [name])]

    def _grown(
        self, candidates: list[Set], seen: Observation, before: list[Observation], pairs: bool, wider: bool
    ) -> list[Set]:
        names = ordered(seen.actual)
        for upto in range(1, len(names) + 1):
            part = names[:upto]
            kept = self._matching(candidates, seen, names[upto - 1])
            if not kept:
                # what explains other cases may amplify rounding in this one
                self.matcher.delicate.add(seen.case.id)
                kept = self._matching(filter(None, candidates), seen, names[upto - 1])
                if not kept:
                    self.matcher.delicate.discard(seen.case.id)
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
        pool = [name for name in self.matcher.reaching(seen.case) if name not in candidate]
        now = self.matcher.trace(candidate, seen.case)
        changing = [name for name in pool if self.matcher.changes(candidate | {name}, seen.case, part[-1], now)]
        found = [candidate | {name} for name in changing]
        found = [grown for grown in found if self._holds(grown, seen, part, before)]
        if not pairs or (found and not wider):
            return found
        # a member that changes nothing by itself can still do so beside another: tried where the others fail
        touching = [name for name in pool if self.matcher.touches(candidate | {name}, seen.case, part, now)]
        for members in (touching, pool):
            found += self._pairs(candidate, seen, part, before, members, set(changing))
            if found and not wider:
                break
        return list(dict.fromkeys(found)) or self._descent(candidate, seen, part, before, pool)

    def _pairs(
        self,
        candidate: Set,
        seen: Observation,
        part: list[str],
        before: list[Observation],
        members: list[str],
        changing: Set | set[str],
    ) -> list[Set]:
        """The candidate with two more, of which one changes the last array and neither is idle."""
        found = []
        for pair in combinations(members, 2):
            if self._late():
                break
            if changing.isdisjoint(pair):
                continue
            grown = candidate | set(pair)
            if self._holds(grown, seen, part, before) and all(
                self.matcher.touches(grown - {name}, seen.case, list(seen.actual), self.matcher.trace(grown, seen.case))
                for name in pair
            ):
                found.append(grown)
        return found

    def _descent(
        self, candidate: Set, seen: Observation, part: list[str], before: list[Observation], pool: list[str]
    ) -> list[Set]:
        """The candidate with three or more, added one at a time where they bring the last array nearest."""
        best = [candidate]
        for _ in range(DEEPEST):
            grown = list(dict.fromkeys(known | {name} for known in best for name in pool if name not in known))
            if self._late():
                return []
            found = [extended for extended in grown if self._holds(extended, seen, part, before)]
            if found:
                return found
            distances = {extended: self.matcher.distance(extended, seen, part[-1]) for extended in grown}
            best = sorted((extended for extended in grown if distances[extended] < np.inf), key=distances.__getitem__)
            best = best[:WIDTH]
        return []

    def _holds(self, candidate: Set, seen: Observation, part: list[str], before: list[Observation]) -> bool:
        return self.matcher.matches(candidate, seen, part) and all(
            self.matcher.explains(candidate, other) for other in before
        )

    def _shrunk(self, candidate: Set, explained: list[Observation]) -> Set:
        for name in self._ordered(candidate):
            smaller = candidate - {name}
            if all(self.matcher.explains(smaller, seen) for seen in explained):
                return self._shrunk(smaller, explained)
        return candidate

    def _earning(
        self, candidates: list[Set], explained: list[Observation], agreeing: list[Observation]
    ) -> tuple[list[Set], list[Observation]]:
        """The candidates that explain most without members that explain next to nothing, and what these explain."""
        left: dict[Set, list[Observation]] = {}
        for candidate in candidates:
            earning = frozenset(name for name in candidate if self._earns(name, candidate, explained, agreeing))
            if earning:
                left[earning] = [seen for seen in explained if self.matcher.explains(earning, seen)]
        most = max(left.values(), key=len, default=[])
        return [candidate for candidate, seen in left.items() if seen == most], most

    def _earns(self, name: str, candidate: Set, explained: list[Observation], agreeing: list[Observation]) -> bool:
        """Whether a member is there for more than one case among several members, and for more than NaN."""
        earned = [seen for seen in explained if not self.matcher.explains(candidate - {name}, seen)]
        if len(candidate) > 1 and len(earned) < 2:
            return False
        # that an array is NaN is little to go by: what changes the numbers of cases that agree is not it
        alone = frozenset({name})
        return any(map(_is_finite, earned)) or all(self.matcher.explains(alone, seen) for seen in agreeing)

    def _right(self, diverging: list[Observation]) -> list[str]:
        """The arrays that the implementation gives right in every case."""
        names = dict.fromkeys(name for seen in diverging for name in seen.actual)
        return [
            name
            for name in names
            if all(self.matcher.matches(frozenset(), seen, [name]) for seen in diverging if name in seen.actual)
        ]

    def _cancel(self, candidate: Set, right: list[str], diverging: list[Observation]) -> bool:
        """Whether members of which each makes an array wrong make it right together, in all diverging cases."""

        def wrong(member: str, name: str) -> bool:
            alone = frozenset({member})
            return all(not self.matcher.matches(alone, seen, [name]) for seen in diverging if name in seen.actual)

        return len(candidate) > 1 and any(sum(wrong(member, name) for member in candidate) > 1 for name in right)

    def _contradicts(self, candidate: Set, right: list[str]) -> bool:
        """Whether it changes an array that is right in every case."""
        return any(
            self.matcher.trace(candidate, seen.case) is not None and not self.matcher.matches(candidate, seen, [name])
            for seen in self.observations
            for name in right
            if name in seen.actual
        )

    def _late(self) -> bool:
        return time.perf_counter() > self.deadline


def _is_finite(seen: Observation) -> bool:
    return all(bool(np.all(np.isfinite(array))) for array in seen.actual.values())


def ordered(names: Iterable[str]) -> list[str]:
    """Names of arrays in order of dataflow: an optimizer's state comes before the parameter that it moves."""

    def key(entry: tuple[int, str]) -> tuple[int, int, int]:
        position, name = entry
        step, rest = split_step(name)
        return step, int(step > 0 and rest.startswith("param.")), position

    return [name for _, name in sorted(enumerate(names), key=key)]
