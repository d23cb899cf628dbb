"""The diagnosis measured in full, outside of the tests: ``python -m tests.diagnosis``.

Every divergence, random pairs and triples of one family, run as if they were somebody's implementation: traces
only, computed in a wider float and rounded, so that nothing matches bit for bit. Also with fewer arrays, and in
float32. Masked sets, whose trace is that of a smaller set, are counted apart.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import NamedTuple, TypeAlias

import click
import numpy as np
from tabulate import tabulate

from conformance.case import FAMILIES
from conformance.diagnose import Diagnosis
from conformance.divergences import by_id, catalogue
from conformance.divergences.patching import ConflictError
from tests.conformance import observing, unknown


class Outcome(NamedTuple):
    """What became of one set of divergences."""

    kind: str
    """``named``, ``alike`` (a set with the same traces), ``missed``, ``masked``, ``unseen`` or ``conflict``"""
    seconds: float = 0.0
    text: str = ""


Job: TypeAlias = tuple[str, tuple[str, ...], str, Callable[[str], bool]]


def everything(name: str) -> bool:
    """All arrays."""
    return True


def output_and_weights(name: str) -> bool:
    """Only what a simple implementation gives."""
    return name == "output" or name.startswith("grad.weight")


def try_out(family: str, names: Sequence[str], dtype: str, given: Callable[[str], bool]) -> Outcome:
    """Diagnose a set of divergences as if it were an implementation."""
    divergences = [by_id()[name] for name in names]
    try:
        observed = observing.observe(family, divergences, dtype, given=given)
    except ConflictError:
        return Outcome("conflict")
    if not any(seen.diverges for seen in observed):
        return Outcome("unseen")
    smaller = [part for size in range(len(names)) for part in itertools.combinations(divergences, size)]
    if len(names) > 1 and any(
        observing.alike(observed, observing.observe(family, part, dtype, given=given)) for part in smaller
    ):
        return Outcome("masked")
    started = time.perf_counter()
    found = observing.diagnose(family, observed, dtype)
    seconds = time.perf_counter() - started
    if observing.named(found, divergences):
        return Outcome("named", seconds)
    if observing.named_or_alike(found, divergences, observed, dtype, "quick"):
        return Outcome("alike", seconds)
    return Outcome("missed", seconds, f"{family} {dtype}: {' + '.join(names)}: {_text(found)}")


def _text(found: Diagnosis) -> str:
    sets = " or ".join(" + ".join(members) for members in found.sets[:2]) or "nothing"
    return f"{sets} ({found.explained} of {found.diverging} cases)"


def _reaching(family: str) -> list[str]:
    """The divergences that change something in a family, in float64."""
    usable = [known for known in catalogue() if not known.equivalent]
    return [known.id for known in usable if observing.shows(family, known)]


def _sets(names: Sequence[str], size: int, rng: np.random.Generator) -> Iterator[tuple[str, ...]]:
    while True:
        yield tuple(names[i] for i in sorted(rng.choice(len(names), size, replace=False)))


@click.command()
@click.option("--family", "families", multiple=True, type=click.Choice(FAMILIES), help="Only this family.")
@click.option("--singles/--no-singles", default=True, help="Every divergence by itself.")
@click.option("--pairs", default=200, show_default=True, help="Random pairs in all.")
@click.option("--triples", default=100, show_default=True, help="Random triples in all.")
@click.option("--seed", default=0, show_default=True)
def main(families: Sequence[str], singles: bool, pairs: int, triples: int, seed: int) -> None:
    """Print how many of the divergences are named."""
    rows: list[list[int | str]] = []
    missed: list[str] = []

    def add(label: list[str], outcomes: Sequence[Outcome]) -> None:
        rows.append([*label, *_summary(outcomes)])
        missed.extend(outcome.text for outcome in outcomes if outcome.text)
        click.echo(" ".join(map(str, rows[-1])), err=True)  # it takes an hour: something to look at meanwhile

    chosen = families or tuple(name for name in FAMILIES if name != "training")
    with ProcessPoolExecutor(2) as pool:
        reaching = dict(zip(chosen, pool.map(_reaching, chosen), strict=True))
        for family, (dtype, given) in itertools.product(
            chosen if singles else (),
            [("float64", everything), ("float64", output_and_weights), ("float32", everything)],
        ):
            if given is output_and_weights and family not in ("rnn", "linear"):
                continue
            jobs: list[Job] = [(family, (name,), dtype, given) for name in reaching[family]]
            outcomes = list(pool.map(try_out, *zip(*jobs, strict=True)))
            add(["single", family, dtype, given.__name__], outcomes)
        for size, count in ((2, pairs), (3, triples)):
            for dtype, given in (("float64", everything), ("float64", output_and_weights), ("float32", everything)):
                usable = [family for family in chosen if len(reaching[family]) > 10]
                if given is output_and_weights:
                    usable = [family for family in usable if family == "rnn"]
                rng = np.random.default_rng(seed)
                outcomes = []
                for family in usable:
                    share = -(-count // len(usable))
                    drawn, shown = _sets(reaching[family], size, rng), 0
                    while shown < share:
                        jobs = [(family, names, dtype, given) for names in itertools.islice(drawn, share - shown)]
                        results = [r for r in pool.map(try_out, *zip(*jobs, strict=True)) if r.kind != "conflict"]
                        shown += sum(result.kind not in ("masked", "unseen") for result in results)
                        outcomes += results
                add([f"{size} at a time", ", ".join(usable), dtype, given.__name__], outcomes)
    unknown_rows = [
        [mistake.id, _text(found), "complete" if found.complete else "partial" if found.sets else "no known divergence"]
        for family, mistakes in unknown.BY_FAMILY.items()
        for mistake in mistakes
        for found in [observing.diagnose(family, observing.observe(family, [mistake]))]
    ]
    headers = ["divergences", "family", "dtype", "given", "named", "alike", "missed", "masked", "unseen", "longest s"]
    click.echo(tabulate(rows, headers))
    click.echo("\n".join(["", *missed, ""]))
    click.echo(tabulate(unknown_rows, ["not in the catalogue", "best match", "verdict"]))


def _summary(outcomes: Sequence[Outcome]) -> list[int | str]:
    kinds = [outcome.kind for outcome in outcomes]
    counts = [kinds.count(kind) for kind in ("named", "alike", "missed", "masked", "unseen")]
    return [*counts, f"{max((outcome.seconds for outcome in outcomes), default=0.0):.1f}"]


if __name__ == "__main__":
    main()
