"""The commands. Exit codes: 0 nothing diverged or errored, 1 something did, 2 the command cannot be carried out."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn, get_args

import click
from tabulate import tabulate

from conformance import cases, log, run
from conformance.case import DTYPES, FAMILIES, Case, Level
from conformance.implementation import REFERENCE, ImplementationError, load
from reports import markdown, terminal

RESULTS = "results.jsonl"
REPORT = "REPORT.md"


class _Refused(Exception):
    """The command cannot be carried out; the message says in one line why, and what was expected."""


def _filters(command: Any) -> Any:
    options = [
        click.option("--suite", "suites", multiple=True, metavar="SUITE", help="Only this suite (may be repeated)."),
        click.option(
            "--family",
            "families",
            multiple=True,
            type=click.Choice(FAMILIES),
            help="Only this family (may be repeated).",
        ),
        click.option(
            "--case", "globs", multiple=True, metavar="GLOB", help="Only cases whose id matches (may be repeated)."
        ),
        click.option("--dtype", "dtypes", multiple=True, type=click.Choice(DTYPES), help="Only this dtype."),
        click.option(
            "--level", type=click.Choice(get_args(Level)), default="standard", show_default=True, help="How many cases."
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@click.group(no_args_is_help=False, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="recurrent-conformance", prog_name="conformance")
def cli() -> None:
    """Does an implementation of a recurrent network and its optimizers do what torch does?"""


@cli.command("run")
@click.argument("implementation", default=REFERENCE)
@_filters
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("conformance-results"),
    show_default=True,
    help="Folder for results.",
)
@click.option(
    "--require",
    "required",
    multiple=True,
    type=click.Choice(FAMILIES),
    help="Exit with 1 if anything of this family is skipped (may be repeated).",
)
def run_command(
    implementation: str, out: Path, required: Sequence[str], level: Level, **filters: Sequence[str]
) -> None:
    """Judge IMPLEMENTATION against torch: the NumPy reference (numpy, the default) or a Python file.

    A Python file defines functions named after families (rnn, optimizer, ...). Each takes a case, a read-only
    mapping from names to arrays with case.config, and returns a dict of the arrays that it can give.
    """
    started = time.perf_counter()
    selected = _select(level=level, **filters)
    loaded = load(implementation)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _Refused(f"cannot write to {out}: {error.strerror}, expected a folder") from None
    header = log.header(log.command_line(), loaded, selected)

    results = run.judge_all(selected, implementation)
    with click.progressbar(
        results, length=len(selected), label="cases", file=sys.stderr, hidden=not sys.stderr.isatty()
    ) as progress:
        judged = list(progress)
    diagnoses = run.diagnose_all(selected, judged, loaded.precision)
    checks = log.with_diagnoses([check for result in judged for check in result.checks], diagnoses)
    torch_seconds = sum(result.torch_seconds for result in judged)
    footer = log.footer(checks, diagnoses, seconds=time.perf_counter() - started, torch_seconds=torch_seconds)
    complete = log.Log(header, checks, footer)
    try:
        log.write(out / RESULTS, complete)
        log.write_text(out / REPORT, markdown.render(complete))
    except OSError as error:
        raise _Refused(f"cannot write to {out}: {error.strerror}") from None

    missing = sorted({check.family for check in checks if check.verdict == "skipped"} & set(required))
    absent = sorted(set(required) - {check.family for check in checks})
    click.echo(terminal.render(complete))
    if missing or absent:
        click.echo(f"Required, but not everything was compared: {', '.join([*missing, *absent])}")
    click.echo(f"\n{out / REPORT}\n{out / RESULTS}")
    counts = complete.footer["counts"]
    if counts["diverges"] or counts["errored"] or missing or absent:
        sys.exit(1)


@cli.command("list")
@_filters
def list_command(level: Level, **filters: Sequence[str]) -> None:
    """List the cases, with the reason why each exists."""
    selected = _select(level=level, **filters)
    rows = [(case.id, case.level, case.note) for case in selected]
    click.echo(tabulate(rows, headers=["case", "level", "note"], tablefmt="plain"))


@cli.command("report")
@click.argument("results", type=click.Path(path_type=Path), default=Path("conformance-results") / RESULTS)
@click.option("--out", type=click.Path(path_type=Path), help="File to write; printed if left out.")
def report_command(results: Path, out: Path | None) -> None:
    """Render the report of a finished run again from its log, RESULTS."""
    text = markdown.render(log.read(results / RESULTS if results.is_dir() else results))
    if out is None:
        click.echo(text, nl=False)
        return
    try:
        log.write_text(out, text)
    except OSError as error:
        raise _Refused(f"cannot write {out}: {error.strerror}") from None


def _select(level: Level, **filters: Sequence[str]) -> list[Case]:
    selected = cases.select(level=level, **filters)
    if not selected:
        suites = sorted({case.suite for case in cases.all_cases()})
        raise _Refused(f"no case matches; the suites are {', '.join(suites)}, and `conformance list` shows every case")
    return selected


def main() -> NoReturn:
    """Run a command; every refusal is one line on standard error and exit code 2."""
    try:
        code = cli.main(standalone_mode=False)
    except click.ClickException as error:
        _refuse(error.format_message())
    except click.Abort:
        click.echo("conformance: interrupted", err=True)
        sys.exit(130)
    except (_Refused, ImplementationError, log.LogError) as error:
        _refuse(str(error))
    sys.exit(code)


def _refuse(message: str) -> NoReturn:
    click.echo(f"conformance: {' '.join(message.split())}", err=True)
    sys.exit(2)
