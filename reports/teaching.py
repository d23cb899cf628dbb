"""DIVERGENCES.md: every known way of differing from torch, with its note, its patch and its effect."""

from __future__ import annotations

from collections.abc import Sequence

from conformance.case import Array
from conformance.divergences import Divergence, by_id
from conformance.divergences.patching import diff
from conformance.explain import Worked, formula
from conformance.notebook_path import Step
from reports.diagnosis import at
from reports.tables import github


def page(
    divergences: Sequence[tuple[Divergence, Worked | None]], paths: Sequence[tuple[str, Sequence[str], Sequence[Step]]]
) -> str:
    """The whole page; ``paths`` are layers with the cases and steps of their way to torch."""
    parts = [
        "# Ways of differing from torch\n",
        f"{len(divergences)} mistakes and dialects, each as a patch that turns the right formula into the wrong one.\n",
    ]
    for layer, cases, steps in paths:
        parts += [
            f"## From the notebook's {layer} to torch\n",
            "A notebook's layer as written differs from torch in several points at once. Taken back one after another; "
            "the numbers are the largest relative error of any array that is left in each case.\n",
            github(["taken back", *cases], [_step_row(step) for step in steps]),
        ]
    for divergence, example in divergences:
        parts.append(f"## {divergence.id}\n\n{text(divergence, example)}\n")
    return "\n".join(parts)


def _step_row(step: Step) -> list[str]:
    what = by_id()[step.removed].title if step.removed else "nothing: as written"
    return [what, *(f"{error:.2g}" for error in step.errors)]


def text(divergence: Divergence, example: Worked | None, *, with_formula: bool = False) -> str:
    """One divergence in words, with its patch and a worked case."""
    parts = [f"The result is what you get {divergence.title}.", divergence.note]
    if divergence.seen_in:
        parts.append(f"Seen in: {', '.join(divergence.seen_in)}.")
    if divergence.equivalent:
        parts.append(f"Equivalent: {divergence.equivalent}")
    if with_formula:
        parts.append(f"```text\n{formula(divergence)}\n```")
    parts.append(f"```diff\n{diff(divergence.patches)}\n```")
    if example and example.failure:
        parts.append(f"In `{example.case}` it ends in {example.failure}")
    elif example:
        parts.append(
            f"In `{example.case}`, `{example.array}` {at(example.place)}: "
            f"right {example.right:.12g}, with the divergence {example.wrong:.12g}."
        )
    return "\n\n".join(parts)


def shape_text(shape: tuple[int, ...]) -> str:
    """``5x4``, or ``a number``."""
    return "x".join(map(str, shape)) or "a number"


def case_text(case_id: str, note: str, config: dict[str, object], arrays: dict[str, Array]) -> str:
    """One case in words: why it exists, its configuration and its arrays."""
    rows = [[name, shape_text(array.shape), str(array.dtype)] for name, array in arrays.items()]
    settings = [[key, value] for key, value in config.items()]
    return "\n".join(
        [
            f"{case_id}\n",
            f"{note}\n",
            github(["argument", "value"], settings),
            github(["array", "shape", "dtype"], rows),
        ]
    )
