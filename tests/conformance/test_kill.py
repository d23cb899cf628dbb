"""The kill matrix is a test: no case or formula may lower it."""

from __future__ import annotations

from functools import cache

import pytest

from conformance import cases, kill
from conformance.divergences import Divergence, by_id, catalogue
from reports import kill_matrix


@cache
def _kills() -> list[kill.Kill]:
    selected = cases.select(level="quick", dtypes=["float64"])
    return [found for of_case in kill.kills(selected) for found in of_case]


def test_every_divergence_is_caught_at_the_quick_level_or_argued_equivalent() -> None:
    assert [known.id for known in kill.survivors(_kills())] == []


def test_what_is_argued_to_be_equivalent_is_not_caught() -> None:
    caught = {found.divergence for found in _kills()}
    assert [known.id for known in catalogue() if known.equivalent and known.id in caught] == []


@pytest.mark.parametrize("divergence", [d for d in catalogue() if d.shows_as != "value"], ids=lambda d: d.id)
def test_shows_as_it_says(divergence: Divergence) -> None:
    assert {found.kind for found in _kills() if found.divergence == divergence.id} == {divergence.shows_as}


def test_a_case_that_catches_nothing_has_another_reason() -> None:
    catching = {found.case for found in _kills()}
    selected = cases.select(level="quick", dtypes=["float64"])
    reasons = {case.note for case in selected if case.id not in catching}
    # what torch accepts, a table's entries, defaults and limits that are not reached are worth a case, though no
    # known mistake shows in them alone
    assert reasons <= {
        "torch accepts a batch of 0: zero gradients of the parameters",
        "an entry of torch's table of recommended gains",
        "nothing reaches the limit",
        "torch's defaults: a line down to 0",
    }


def test_a_divergence_that_no_case_reaches_survives() -> None:
    case = cases.select(globs=["core/linear/batch/float64"])
    found = [entry for of_case in kill.kills(case) for entry in of_case]
    assert by_id()["truncated-after-10"] in kill.survivors(found)
    assert by_id()["linear-batch-mean"] not in kill.survivors(found)


def test_out_of_reach_is_what_changes_no_function_that_the_cases_go_through() -> None:
    known = [by_id()[name] for name in ("linear-batch-mean", "truncated-after-10", "relu-derivative-1-at-zero")]
    linear, rnn = (cases.select(globs=[f"core/{name}/float64"]) for name in ("linear/batch", "rnn/small"))
    assert kill.within_reach(linear, known) == known[:1]
    # a patch of a function that is reached may still need more steps than this case has: then it survives
    assert kill.within_reach(rnn, known) == known[1:2]
    assert kill.within_reach([*linear, *rnn], known) == known[:2]
    assert kill.within_reach([], known) == []


def test_the_page_says_how_many_are_out_of_reach() -> None:
    [case] = cases.select(globs=["core/linear/batch/float64"])
    known = [by_id()["linear-batch-mean"]]
    text = "0 of 1 divergences are caught by 1 case; 0 more are equivalent to torch."
    assert kill_matrix.headline([case], known, []) == text
    left_out = f"{text} 9 are left out: they change nothing that 1 case can reach."
    assert kill_matrix.headline([case], known, [], 9) == left_out
    assert left_out in kill_matrix.render([case], known, [], left_out=9)


def test_the_page_says_what_is_caught_by_which_case_first_and_alone() -> None:
    selected = cases.select(level="quick", dtypes=["float64"])
    page = kill_matrix.render(selected, catalogue(), _kills())
    live = sum(known.equivalent is None for known in catalogue())
    assert f"{live} of {live} divergences are caught by {len(selected)} cases" in page
    assert "Not caught" not in page
    rows = kill_matrix.divergence_rows(catalogue(), _kills())
    assert [row[0] for row in rows] == [known.id for known in catalogue() if not known.equivalent]
    [truncated] = [row for row in rows if row[0] == "truncated-after-10"]
    assert truncated[4] == "core/rnn/length-12/float64"


def test_the_page_names_what_is_not_caught() -> None:
    page = kill_matrix.render([], [by_id()["linear-batch-mean"]], [])
    assert "Not caught" in page
    assert "linear-batch-mean" in page
