"""What the README says is true."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from click.testing import CliRunner

from conformance import cases
from conformance.cli import cli
from conformance.divergences import by_id, catalogue

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def _block(after: str, language: str) -> str:
    """The first block of code in a language after a marker."""
    found = re.search(rf"{re.escape(after)}.*?```{language}\n(.*?)```", README, re.DOTALL)
    assert found, after
    return found[1]


def test_the_formulas_code_is_the_references() -> None:
    source = (ROOT / "reference" / "rnn.py").read_text(encoding="utf-8")
    first, second = _block("The recurrence", "python").split("    ...\n")
    assert first in source
    assert second in source
    assert source.index(first) < source.index(second)


def test_the_table_is_that_of_these_cases() -> None:
    table = _block("<!-- table -->", "text")
    counts = Counter(case.family for case in cases.select())
    rows = {cells[0]: cells[1:] for line in table.splitlines() if (cells := line.split()) and cells[0] in counts}
    assert {family: int(row[0]) for family, row in rows.items()} == dict(counts)
    assert all(row[1] == row[2] and row[3:6] == ["0", "0", "0"] for row in rows.values())
    total, checks = sum(counts.values()), sum(int(row[1]) for row in rows.values())
    assert table.startswith(f"NumPy reference against torch 2.13.0+cpu: {total} cases, {checks} checks: {checks} agree")


def test_the_example_gets_the_diagnosis_that_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "my_rnn.py"
    path.write_text(_block("<!-- my_rnn.py -->", "python"))
    arguments = ["run", str(path), "--family", "rnn", "--level", "quick", "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 1
    [shown] = re.findall(r"  - (with .*) \(([\w-]+); seen in", _block("<!-- diagnosis -->", "text"))
    assert f"  - {shown[0]} ({shown[1]}" in result.output
    assert by_id()[shown[1]].title == shown[0]


def test_the_kill_rate_is_that_of_the_catalogue() -> None:
    live = sum(known.equivalent is None for known in catalogue())
    selected = cases.select(level="quick", dtypes=["float64"])
    assert f"{live} of {live} divergences are caught by {len(selected)} cases" in _block("<!-- kill -->", "text")


def test_exactly_two_commands_set_everything_up() -> None:
    commands = re.findall(r"^python3\.11 -m venv .*$", README, re.MULTILINE)
    setup = "python3.11 -m venv .venv && .venv/bin/pip install tox && .venv/bin/tox -e"
    assert commands == [f"{setup} conformance", f"{setup} tests"]


def test_ci_calls_the_readmes_test_command() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "python3.11 -m venv .venv && .venv/bin/pip install tox && .venv/bin/tox -e tests" in script
