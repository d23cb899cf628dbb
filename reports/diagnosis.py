"""What explains a family's divergences, in words; and where there is no name for them, what they have in common."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

from conformance.case import split_step
from conformance.compare import PRINTED, VALUES_AGREE, Check
from conformance.log import Log
from conformance.messages import listed
from reports.summary import config_of

FEW = 3
"""a set that explains less than this part of the diverging cases, one in so many, may do so by chance; and an option
that more of the agreeing cases have is not what sets the diverging ones apart"""
DEEP = " > 1"
"""what networks of several layers share where they are not of the same number"""
MOST_BY_CHANCE = 2
"""how many of the sets that may explain something by chance are listed"""
MOST_RIGHT = 12
"""how many of the arrays that are right are listed"""


def diagnoses(log: Log) -> list[str]:
    """What explains each family's divergences, in words; that nothing known does is said too."""
    return ["\n".join(_lines(log, found)) for found in log.footer["diagnoses"]]


def diffs(log: Log) -> dict[str, str]:
    """The patches of every divergence that a diagnosis names, and not by chance, by its id."""
    certain = [found for found in log.footer["diagnoses"] if not _may_be_chance(found)]
    members = [member for found in certain for group in found["sets"] for member in group]
    return {member["id"]: member["diff"] for member in members}


def at(place: str) -> str:
    """A place in a sentence; some begin with "at" by themselves."""
    return f"at {place.removeprefix('at ')}"


def _lines(log: Log, found: dict[str, Any]) -> Iterator[str]:
    checks = [check for check in log.checks if check.family == found["family"]]
    diverging = [check for check in checks if check.verdict == "diverges"]
    yield f"{found['family']}: {_headline(found, diverging)}"
    by_chance = _may_be_chance(found)
    for number, members in enumerate(found["sets"][: MOST_BY_CHANCE if by_chance else None]):
        first = "What those cases give looks like, but need not be" if by_chance else "Your result is what you get"
        yield "Equally well:" if number else first
        for member in members:
            seen_in = f"; seen in: {', '.join(member['seen_in'])}" if member["seen_in"] else ""
            yield f"  - {member['title']} ({member['id']}{seen_in})"
    yield from _first_wrong(diverging)
    if found["complete"]:
        return
    if found["overwritten"]:
        same = listed(found["overwritten"], MOST_RIGHT)
        copied = "An array that is changed in place has to be copied where it is returned."
        yield f"The same after every step: {same}. {copied}"
    yield from _dtypes(diverging)
    yield from _in_common(log, checks)
    yield from _right(checks, diverging)


def _headline(found: dict[str, Any], diverging: Sequence[Check]) -> str:
    explained, count = found["explained"], found["diverging"]
    cases = f"{explained} of {count} diverging cases"
    if diverging and all(_is_float32_only(check) for check in diverging):
        return (
            "what diverges is float32, and right within its rounding. If the file computes in float32 throughout, "
            'let it say so: precision = "float32"'
        )
    computed = [check for check in diverging if not str(check.array).endswith(PRINTED)]
    if computed and all(_is_dtype_only(check) for check in computed):
        return "what diverges has another dtype, and the right values."
    if not found["sets"]:
        return "no known divergence gives these results."
    if found["complete"]:
        return f"explained ({cases}, and every case that agrees)."
    if explained == count:
        return f"explained ({cases}), but cases that agree would show this mistake too, and do not."
    if _may_be_chance(found):
        return f"hardly explained ({cases}, which may be chance); something else differs."
    return f"explained in part ({cases}); something else differs too."


def _may_be_chance(found: dict[str, Any]) -> bool:
    return bool(FEW * found["explained"] < found["diverging"])


def _first_wrong(diverging: Sequence[Check]) -> Iterator[str]:
    first = next((check for check in diverging if check.place), None)
    if first:
        yield f"First wrong: {first.array} of {first.case}, {at(str(first.place))}."
    elif diverging and diverging[0].array and diverging[0].reason:
        yield f"First wrong: {diverging[0].array} of {diverging[0].case}: {diverging[0].reason}."


def _dtypes(diverging: Sequence[Check]) -> Iterator[str]:
    """That some of what diverges is right but for its dtype."""
    narrow = [check for check in diverging if _is_dtype_only(check)]
    for kind in dict.fromkeys(str(check.reason).partition(";")[0] for check in narrow):
        arrays = dict.fromkeys(
            split_step(str(check.array))[1] for check in narrow if str(check.reason).startswith(kind)
        )
        yield f"Right but for its {kind}: {listed([*arrays], MOST_RIGHT)}."


def _in_common(log: Log, checks: Sequence[Check]) -> Iterator[str]:
    """The options that every case that diverges has, and few cases that agree."""
    wrong = {check.case for check in checks if check.verdict == "diverges"}
    right = {check.case for check in checks if check.verdict == "agrees"} - wrong
    if not wrong or not right:
        return
    described = {case.rpartition("/")[0] for case in wrong}
    if len(described) == 1:  # all of its options would be what it has in common
        yield f"What diverges is {described.pop()} alone: {log.header['cases'][min(wrong)]['note']}."
        return
    traits = {check.case: _traits(config_of(log, check)) for check in checks if check.case in wrong | right}
    common = [trait for trait in traits[min(wrong)] if all(trait in traits[case] for case in wrong)]
    sharing: dict[tuple[str, ...], int] = {
        (trait,): sum(trait in traits[case] for case in right)
        for trait in common
        if not trait.endswith(DEEP) or not any(other.startswith(trait.replace(DEEP, " = ")) for other in common)
    }
    if sharing and min(sharing.values()):  # two together may set apart what one does not
        sharing |= {pair: sum(traits[case].keys() >= set(pair) for case in right) for pair in combinations(common, 2)}
    fewest = min(sharing.values(), default=len(right))
    if FEW * fewest <= len(right):
        found = [together for together, count in sharing.items() if count == fewest]
        alone = [together[0] for together in found if len(together) == 1]
        shared = ", ".join(alone) or " and ".join(found[0])
        yield f"What diverges has in common: {shared}; so have {fewest} of the {len(right)} cases that agree."


def _traits(config: Mapping[str, Any], prefix: str = "") -> dict[str, None]:
    """The options of a case, each as it would be told, those of the parts of a model too; in order."""
    found: dict[str, None] = {}
    for name, value in config.items():
        if isinstance(value, dict):
            found |= _traits(value, f"{prefix}{name}.")
        elif not isinstance(value, list):
            found[f"{prefix}{name} = {value}"] = None
    if config.get("num_layers", 1) > 1:
        found[f"{prefix}num_layers{DEEP}"] = None
    return found


def _right(checks: Sequence[Check], diverging: Sequence[Check]) -> Iterator[str]:
    wrong, cases = {check.array for check in diverging}, {check.case for check in diverging}
    right = dict.fromkeys(
        str(check.array)
        for check in checks
        if check.verdict == "agrees" and check.array not in wrong and check.case in cases
    )
    right = dict.fromkeys(name for name in right if not name.endswith(PRINTED))
    if right:
        names = _by_name([*right], {str(name) for name in wrong})
        which = "every case that ran" if any(check.verdict == "errored" for check in checks) else "every case"
        yield f"Right in {which}: {listed(names, MOST_RIGHT)}."


def _by_name(right: Sequence[str], wrong: set[str]) -> list[str]:
    """Arrays that are right, those of several steps once: with their steps where others of that name are wrong."""
    steps: dict[str, list[str]] = {}
    for name in right:
        step, rest = split_step(name)
        steps.setdefault(rest, []).append(str(step))
    missed = {rest for step, rest in map(split_step, wrong) if step}
    return [
        f"{rest} (step{'s' if len(numbers) > 1 else ''} {', '.join(numbers)})" if rest in missed else rest
        for rest, numbers in steps.items()
    ]


def _is_dtype_only(check: Check) -> bool:
    return (check.reason or "").startswith("dtype ") and VALUES_AGREE in str(check.reason)


def _is_float32_only(check: Check) -> bool:
    return _is_dtype_only(check) and str(check.reason).startswith("dtype float32,")
