"""The results log: a header, a line per check, a footer with counts. Without its footer a log is not evidence."""

from __future__ import annotations

import json
import math
import platform
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, get_args

import numpy as np
from threadpoolctl import threadpool_info

from conformance import schema
from conformance.case import Case
from conformance.compare import Check, Verdict
from conformance.diagnose import Diagnosis
from conformance.divergences import by_id
from conformance.divergences.patching import diff
from conformance.isolated import Subject

SCHEMA = 1
SWEPT = "swept"
"""in the footer of a sweep's log, which keeps few of the checks and no configurations: there is no report of it"""
PINNED_TORCH = "2.13.0"
"""the version that computes the expectation; others work, and every report says so"""

VERDICTS: tuple[Verdict, ...] = get_args(Verdict)


class LogError(Exception):
    """A file that is not a complete results log; the message says why in one line."""


@dataclass(frozen=True)
class Log:
    """A complete results log."""

    header: Mapping[str, Any]
    checks: Sequence[Check]
    footer: Mapping[str, Any]


def header(command: Sequence[str], implementation: Subject, cases: Iterable[Case]) -> dict[str, Any]:
    """What a run was: versions, processor, command, and the configuration of every case."""
    torch_version = version("torch")
    return {
        "type": "header",
        "schema": SCHEMA,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": list(command),
        "implementation": {"name": implementation.name, "precision": implementation.precision},
        "versions": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "torch": torch_version,
            "suite": version("recurrent-conformance"),
        },
        "torch_pinned": PINNED_TORCH,
        "torch_is_pinned": torch_version.partition("+")[0] == PINNED_TORCH,
        "platform": platform.platform(),
        "processor": {"machine": platform.machine(), "features": _cpu_features()},
        "blas": [
            {key: pool.get(key) for key in ("internal_api", "version", "architecture", "num_threads")}
            for pool in threadpool_info()
        ],
        "threads_per_process": 1,
        "longdouble_bits": int(np.finfo(np.longdouble).nmant) + 1,
        "cases": {case.id: {"config": dict(case.config), "note": case.note, "level": case.level} for case in cases},
    }


def _cpu_features() -> list[str]:
    configuration: Any = np.show_config(mode="dicts")
    extensions = configuration["SIMD Extensions"]
    return [*extensions.get("baseline", []), *extensions.get("found", [])]


def with_diagnoses(checks: Sequence[Check], diagnoses: Iterable[Diagnosis]) -> list[Check]:
    """The checks, those that diverge in a case that a diagnosis explains with its first set of divergences."""
    explained = {case: " + ".join(found.sets[0]) for found in diagnoses if found.sets for case in found.cases}
    return [
        replace(check, diagnosis=explained[check.case])
        if check.verdict == "diverges" and check.case in explained
        else check
        for check in checks
    ]


def footer(
    checks: Sequence[Check], diagnoses: Iterable[Diagnosis] = (), *, seconds: float, torch_seconds: float
) -> dict[str, Any]:
    """The counts that make a log complete, what explains its divergences, and where the time went."""
    counts = Counter(check.verdict for check in checks)
    return {
        "type": "footer",
        "cases": len({check.case for check in checks}),
        "checks": len(checks),
        "counts": {verdict: counts[verdict] for verdict in VERDICTS},
        "diagnoses": [_diagnosis(found) for found in diagnoses],
        "seconds": round(seconds, 3),
        "torch_seconds": round(torch_seconds, 3),
    }


def _diagnosis(found: Diagnosis) -> dict[str, Any]:
    sets = [[by_id()[name] for name in names] for names in found.sets]
    return asdict(found) | {
        "sets": [
            [
                {"id": known.id, "title": known.title, "seen_in": list(known.seen_in), "diff": diff(known.patches)}
                for known in members
            ]
            for members in sets
        ]
    }


def text(log: Log) -> str:
    """A log as its file holds it."""
    lines = [log.header, *map(_line, log.checks), log.footer]
    return "".join(json.dumps(_encode(line), allow_nan=False) + "\n" for line in lines)


OPTIONAL = ("replay_differs", "replay_skipped")
"""left out of the line of a check that was not to be replayed, which is nearly every check"""


def _line(check: Check) -> dict[str, Any]:
    line = {"type": "check"} | asdict(check)
    return {key: value for key, value in line.items() if key not in OPTIONAL or value is not None}


def read(path: Path) -> Log:
    """Read a log.

    Raises:
        LogError: not readable, not a results log of this schema, or incomplete.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise LogError(f"cannot read {path}: {why}") from None
    entries = []
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):  # a number of thousands of digits, lists in lists without end
            raise LogError(f"{path}, line {number}: not JSON; the log is damaged or no results log") from None
        if not isinstance(entry, dict):
            raise LogError(f"{path}, line {number}: expected a JSON object")
        entries.append(entry)
    if not entries or entries[0].get("type") != "header":
        raise LogError(f"{path} is no results log: expected a header in its first line")
    if entries[0].get("schema") != SCHEMA:
        raise LogError(f"{path} has schema {entries[0].get('schema')!r}, expected {SCHEMA}")
    if entries[-1].get("type") != "footer":
        raise LogError(f"{path} is incomplete: it has no footer, so its run did not end; run again")
    try:
        checks = [_check(entry) for entry in entries[1:-1]]
    except (KeyError, TypeError) as error:
        raise LogError(f"{path}: a line is no check: {error}") from None
    if damage := schema.fault_of_checks(checks):
        raise LogError(f"{path} is damaged: {damage}")
    counted = footer(checks, seconds=0.0, torch_seconds=0.0)
    for key in ("checks", "cases", "counts"):
        if entries[-1].get(key) != counted[key]:
            raise LogError(f"{path} is incomplete: {key} {counted[key]}, its footer has {entries[-1].get(key)}")
    damage = (
        schema.fault(entries[0], schema.Header)
        or schema.fault(entries[-1], schema.Footer)
        or ("" if SWEPT in entries[-1] else _fault_of_configs(entries[0]["cases"], checks))
    )
    if damage:
        raise LogError(f"{path} is damaged: {damage}")
    return Log(entries[0], checks, entries[-1])


def _fault_of_configs(cases: Mapping[str, Any], checks: Iterable[Check]) -> str | None:
    """What is missing of the configurations that reports read."""
    for case, family in dict.fromkeys((check.case, check.family) for check in checks):
        if case not in cases:
            return "it has no configuration for some case"
        if family in schema.CONFIGS and (
            found := schema.fault(cases[case]["config"], schema.CONFIGS[family], f"cases.{case}.config")
        ):
            return found
    return None


NUMBERS = ("tolerance", "error", "ratio", "actual_expected", "actual_arbiter", "expected_arbiter", "values")
"""the fields of a check whose strings stand for what JSON has no number for"""


def _check(entry: Mapping[str, Any]) -> Check:
    names = [field.name for field in fields(Check) if field.name in entry or field.name not in OPTIONAL]
    return Check(**{name: _decode(entry[name]) if name in NUMBERS else entry[name] for name in names})


_NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def _encode(value: Any) -> Any:
    """JSON has no infinities and no NaN: they become strings."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, Mapping):
        return {key: _encode(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_encode(entry) for entry in value]
    return value


def _decode(value: Any) -> Any:
    if isinstance(value, str):
        return _NOT_FINITE.get(value, value)
    if isinstance(value, dict):
        return {key: _decode(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_decode(entry) for entry in value]
    return value


def command_line() -> list[str]:
    """The command as it was given, without the folder of the program."""
    return ["conformance", *sys.argv[1:]]
