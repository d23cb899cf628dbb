from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conformance import cases, files, log
from conformance.implementation import load
from conformance.log import Log, LogError
from tests.reports.logs import ADAM, CHECKS, RNN, made_log

Lines = list[dict[str, Any]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    where = tmp_path / "results.jsonl"
    files.write({where: log.text(made_log())})
    return where


def _lines(path: Path) -> Lines:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_log_is_read_as_it_was_written(path: Path) -> None:
    original, read = made_log(), log.read(path)
    assert read.header == original.header
    assert read.footer == original.footer
    assert [dataclasses.asdict(check) for check in read.checks] == [dataclasses.asdict(check) for check in CHECKS]


def test_it_is_a_header_a_line_per_check_and_a_footer_with_counts(path: Path) -> None:
    header, *checks, footer = _lines(path)
    assert (header["type"], header["schema"]) == ("header", 1)
    assert [entry["type"] for entry in checks] == ["check"] * len(CHECKS)
    assert {"case", "family", "suite", "array", "dtype", "verdict", "tolerance", "error", "place", "reason"} <= set(
        checks[0]
    )
    assert footer["type"] == "footer"
    assert footer["checks"] == len(CHECKS) == sum(footer["counts"].values())


def test_what_was_replayed_is_in_the_lines_of_those_checks_only(path: Path) -> None:
    replayed = dataclasses.replace(CHECKS[8], replay_differs=0)
    skipped = dataclasses.replace(CHECKS[9], replay_skipped="arithmetic of this CPU")
    checks = [*CHECKS[:8], replayed, skipped, *CHECKS[10:]]
    files.write({path: log.text(Log(made_log().header, checks, log.footer(checks, seconds=1.0, torch_seconds=0.5)))})
    lines = _lines(path)[1:-1]
    assert [line.get("replay_differs") for line in lines] == [None] * 8 + [0, None, None]
    assert [key for line in lines for key in line if key.startswith("replay")] == ["replay_differs", "replay_skipped"]
    assert log.read(path).checks == checks


def test_what_is_not_finite_survives_strict_json(path: Path) -> None:
    rows = [[1.0, math.nan], [math.inf, -math.inf]]
    values = {"actual": rows, "expected": rows}
    check = dataclasses.replace(
        CHECKS[0], array="output", error=math.inf, ratio=math.inf, tolerance=-math.inf, values=values
    )
    checks = [check, *CHECKS[1:]]
    files.write({path: log.text(Log(made_log().header, checks, log.footer(checks, seconds=1.0, torch_seconds=0.5)))})

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    for line in path.read_text().splitlines():
        json.loads(line, parse_constant=refuse)
    read = log.read(path).checks[0]
    assert (read.error, read.ratio, read.tolerance) == (math.inf, math.inf, -math.inf)
    assert read.values is not None
    assert np.array_equal(read.values["actual"], rows, equal_nan=True)


def test_the_header_says_what_was_run() -> None:
    selected = cases.select(globs=["core/rnn/small"])
    header = log.header(["conformance", "run"], load("numpy"), selected)
    assert json.loads(json.dumps(header)) == header
    assert header["versions"].keys() == {"python", "numpy", "torch", "suite"}
    assert header["torch_is_pinned"] == header["versions"]["torch"].startswith("2.13.0")
    assert set(header["cases"]) == {case.id for case in selected}
    assert header["cases"][selected[0].id]["config"] == selected[0].config
    assert header["blas"]
    assert header["processor"]["features"]
    assert header["longdouble_bits"] >= 53


# ------------------------------------------------------------------------------------------------ refused


def _without_footer(lines: Lines) -> Lines:
    return lines[:-1]


def _footer_in_the_middle(lines: Lines) -> Lines:
    return [*lines[:2], lines[-1], *lines[2:-1]]


def _changed(index: int, **entries: Any) -> Callable[[Lines], Lines]:
    def change(lines: Lines) -> Lines:
        lines[index] |= entries
        return lines

    return change


def _removed(index: int, key: str) -> Callable[[Lines], Lines]:
    def change(lines: Lines) -> Lines:
        del lines[index][key]
        return lines

    return change


def _without_option(case: str, option: str) -> Callable[[Lines], Lines]:
    def change(lines: Lines) -> Lines:
        del lines[0]["cases"][case]["config"][option]
        return lines

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_without_footer, r"is incomplete: it has no footer, so its run did not end; run again"),
        (_footer_in_the_middle, r"is incomplete: it has no footer"),
        (lambda lines: [lines[0]], r"is incomplete: it has no footer"),
        (lambda lines: lines[1:], r"is no results log: expected a header in its first line"),
        (lambda lines: [], r"is no results log: expected a header in its first line"),
        (lambda lines: [lines[0], *lines[2:]], r"is incomplete: checks \d+, its footer has \d+"),
        (lambda lines: [*lines[:-2], lines[-3], lines[-1]], r"is incomplete: (cases|counts) "),
        (_changed(-1, checks=1), r"is incomplete: checks \d+, its footer has 1"),
        (_changed(-1, cases=99), r"is incomplete: cases \d+, its footer has 99"),
        # a verdict that was edited, or a footer that counts something else
        (_changed(2, verdict="agrees"), r"is incomplete: counts "),
        (_changed(-1, counts={"agrees": 9}), r"is incomplete: counts "),
        (_changed(0, schema=2), r"has schema 2, expected 1"),
        (_changed(0, schema=None), r"has schema None, expected 1"),
        (_removed(3, "verdict"), r"a line is no check: 'verdict'"),
        (_removed(3, "ratio"), r"a line is no check: 'ratio'"),
        (_removed(0, "versions"), r"is damaged: it has no versions"),
        (_removed(0, "cases"), r"is damaged: it has no cases"),
        (_changed(0, cases={}), r"is damaged: it has no configuration for some case"),
        (_removed(-1, "seconds"), r"is damaged: it has no seconds"),
        (lambda lines: [lines[0], lines[0], *lines[2:]], r"a line is no check: 'case'"),
        (_changed(0, cases=3), r"is damaged: cases is 3, expected an object"),
        (_changed(0, cases={RNN: {}}), r"is damaged: cases\.core/rnn/\S+ has no config"),
        (_changed(0, versions={}), r"is damaged: versions has no python"),
        (_changed(0, command="run"), r"is damaged: command is 'run', expected list\[str\]"),
        (_changed(0, command=[1]), r"is damaged: command is 1, expected str"),
        (_changed(0, longdouble_bits="64"), r"is damaged: longdouble_bits is '64', expected int"),
        (_changed(0, torch_is_pinned=1), r"is damaged: torch_is_pinned is 1, expected bool"),
        (_changed(0, blas=[{"version": []}]), r"is damaged: blas\.version is \[\], expected str \| int \| None"),
        (_changed(-1, seconds="x"), r"is damaged: seconds is 'x', expected float"),
        (_changed(-1, seconds=10**400), r"is damaged: seconds is 1000\d*\.\.\.\d*, expected float"),
        (_changed(-1, torch_seconds=None), r"is damaged: torch_seconds is None, expected float"),
        (_changed(-1, diagnoses=[1]), r"is damaged: diagnoses is 1, expected an object"),
        (_changed(-1, diagnoses=[{"family": "rnn"}]), r"is damaged: diagnoses has no sets"),
        (_changed(1, ratio="abc"), r"is damaged: ratio is 'abc', expected float \| None"),
        (_changed(1, ratio=True), r"is damaged: ratio is True, expected float \| None"),
        (_changed(1, case=[]), r"is damaged: case is \[\], expected str"),
        (_changed(1, verdict=[]), r"is damaged: verdict is \[\], expected "),
        (_changed(1, array=1), r"is damaged: array is 1, expected str \| None"),
        (_changed(1, unit="volt"), r"is damaged: unit is 'volt', expected "),
        (_changed(1, values={"actual": [1.0]}), r"is damaged: values are actual of h_n"),
        (_changed(1, values={"actual": ["x"], "expected": ["x"]}), r"is damaged: values of h_n are \['x'\], expected"),
        (_changed(1, values={"actual": [1, [2]], "expected": [1, [2]]}), r"is damaged: values of h_n are \[1, \[2\]\]"),
        # as many numbers as each other, and not as many as were printed
        (_changed(1, values={"actual": [1], "expected": [1]}), r"is damaged: values of h_n \(printed\) are "),
        (_without_option(RNN, "num_layers"), r"is damaged: cases\.core/rnn/\S+\.config has no num_layers"),
        (_without_option(ADAM, "algorithm"), r"is damaged: cases\.core/optimizer/\S+\.config has no algorithm"),
    ],
)
def test_a_log_that_is_not_whole_is_refused(path: Path, change: Callable[[Lines], Lines], message: str) -> None:
    path.write_text("".join(json.dumps(line) + "\n" for line in change(_lines(path))))
    with pytest.raises(LogError, match=message) as refusal:
        log.read(path)
    assert "\n" not in str(refusal.value)


def test_what_a_later_version_adds_and_numbers_without_a_point_are_no_damage(path: Path) -> None:
    lines = _lines(path)
    lines[0]["added"] = lines[-1]["added"] = {"by": ["a later version"]}
    lines[-1]["seconds"] = 12
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert log.read(path).footer["seconds"] == 12


@pytest.mark.parametrize("length", [0.2, 0.5, 0.9, 0.999])
def test_a_log_cut_short_anywhere_is_refused(path: Path, length: float) -> None:
    text = path.read_text()
    path.write_text(text[: int(len(text) * length)])
    with pytest.raises(LogError, match=r"not JSON; the log is damaged or no results log|it has no footer"):
        log.read(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"# a page, not a log\n", r"line 1: not JSON"),
        (b"[1, 2]\n", r"line 1: expected a JSON object"),
        (b"[" * 100_000 + b"]" * 100_000, r"line 1: not JSON"),
        (b'{"type": ' + b"1" * 5000 + b"}", r"line 1: not JSON"),
        (b"", r"is no results log"),
        (b"\xff\xfe\x00", r"cannot read .*: it is no text"),
        (b'{"type": "header"}\n', r"has schema None"),
    ],
)
def test_another_file_is_refused(path: Path, content: bytes, message: str) -> None:
    path.write_bytes(content)
    with pytest.raises(LogError, match=message):
        log.read(path)


def test_a_file_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    for missing in (tmp_path / "no.jsonl", tmp_path):
        with pytest.raises(LogError, match="cannot read "):
            log.read(missing)


def test_a_log_that_cannot_be_encoded_leaves_the_old_file(path: Path) -> None:
    before = path.read_bytes()
    broken = dataclasses.replace(CHECKS[0], values={"actual": object()})
    with pytest.raises(TypeError):
        files.write({path: log.text(Log(made_log().header, [broken], made_log().footer))})
    assert path.read_bytes() == before


def test_a_text_that_looks_like_a_number_stays_a_text(path: Path) -> None:
    """JSON has no number for what is infinite: texts stand for it, but only where a number belongs."""
    checks = [dataclasses.replace(CHECKS[0], reason="NaN", ratio=math.inf)]
    made = made_log(checks)
    made = Log({**made.header, "command": ["conformance", "run", "Infinity"]}, checks, made.footer)
    files.write({path: log.text(made)})
    again = log.read(path)
    assert again.header["command"] == ["conformance", "run", "Infinity"]
    assert (again.checks[0].reason, again.checks[0].ratio) == ("NaN", math.inf)
