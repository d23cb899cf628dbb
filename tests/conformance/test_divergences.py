"""The catalogue: every patch fits the source, and patched functions are restored whatever happens."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from conformance import divergences
from conformance.cases import documented
from conformance.divergences import Divergence, by_id, catalogue, patching
from conformance.divergences.notebook import SIMPLE_RNN, SIMPLE_RNN_2
from conformance.divergences.patching import ConflictError, Patch, PatchError
from reference import notebook, rnn

ONE = "hh-gradient-uses-current-state"


@pytest.mark.parametrize("divergence", catalogue(), ids=lambda divergence: divergence.id)
def test_every_patch_fits_and_says_what_it_is(divergence: Divergence) -> None:
    patching.compiled(divergence.patches)
    assert divergence.title
    assert divergence.note
    assert divergence.patches
    changed = patching.diff(divergence.patches)
    assert changed.count("\n+") + changed.count("\n-") > 1  # more than its heading


def test_ids_and_titles_are_unique() -> None:
    assert len(by_id()) == len(catalogue())
    assert len({known.title for known in catalogue()}) == len(catalogue())


def test_every_row_of_the_notebook_is_in_the_catalogue() -> None:
    seen = {place for known in catalogue() for place in known.seen_in}
    assert [f"notebook N{number}" for number in range(1, 22) if f"notebook N{number}" not in seen] == []


def test_a_patch_is_undone() -> None:
    code = rnn.direction_backward.__code__
    seen = []

    def fails() -> None:
        with divergences.applied([by_id()[ONE]]):
            seen.append(rnn.direction_backward.__code__)
            raise RuntimeError("inside")

    with pytest.raises(RuntimeError, match="inside"):
        fails()
    assert seen != [code]
    assert rnn.direction_backward.__code__ is code


def test_a_fragment_has_to_occur_once() -> None:
    with pytest.raises(PatchError, match="occurs 0 times"):
        patching.edits(Patch("rnn", "no such text", "x"))
    with pytest.raises(PatchError, match="not once"):
        patching.edits(Patch("rnn", "params", "x"))
    with pytest.raises(PatchError, match="no function"):
        patching.edits(Patch("rnn", "params", "x", "no_such_function"))
    with pytest.raises(PatchError, match="outside any function"):
        patching.compiled([Patch("rnn", '"relu": Nonlinearity(', '"relu": Nonlinearity((')])


def test_different_edits_of_the_same_tokens_conflict() -> None:
    first, second = by_id()["truncated-after-1"], by_id()["truncated-after-10"]
    with pytest.raises(ConflictError), divergences.applied([first, second]):
        pass
    with divergences.applied([first, first]):  # identical edits are one
        pass


def test_patches_of_one_function_combine() -> None:
    with divergences.applied([by_id()[ONE], by_id()["derivative-missing"]]):
        assert rnn.direction_backward.__code__.co_filename.endswith("patched")
    diff = patching.diff([patch for name in (ONE, "derivative-missing") for patch in by_id()[name].patches])
    assert "+    previous = h[1:]" in diff
    assert "-        nonlinearity.backward(d_pre_t, slope[t], d_pre_t)" in diff


AS_WRITTEN: dict[str, dict[str, Any]] = {
    # what the notebook's classes return in the documented example, learning rate 0.01, upstream gradient of ones
    "SimpleRNN": {
        "d_x": [(0.071482, 0.102412)],
        "d_b": 1.103634,
        "d_w_h": (0.93445, 0.882533, 0.832867, 0.796757),
        "d_w_x": (0.023199, 0.021464, 0.019828, 0.018578),
    },
    "SimpleRNN2": {
        "d_x": [(7.0038e-05, 9.6602e-05), (7.5032e-04, 1.03356e-03), (1.112334e-02, 1.526097e-02)],
        "d_b": 0.3366236,
    },
}


@pytest.mark.parametrize(("layer", "members"), [("SimpleRNN", SIMPLE_RNN), ("SimpleRNN2", SIMPLE_RNN_2)])
def test_the_notebook_as_written_is_the_composition_of_its_divergences(layer: str, members: tuple[str, ...]) -> None:
    with divergences.applied([by_id()[name] for name in members]):
        net = getattr(notebook, layer)(2, 4, notebook.SimpleInitializer(), notebook.SGDrnn(lr=0.01), notebook.Tanh())
        net.WX, net.Wh, net.B = documented.W_X, documented.W_H, np.ones((1, 4))
        output = net.forward(documented.X)
        d_x = net.backward(np.ones_like(output))
    figures = AS_WRITTEN[layer]
    last = output if layer == "SimpleRNN2" else output[:, -1]
    np.testing.assert_allclose(last, documented.LAST_STATE, rtol=0, atol=5e-9)
    # to the digits in which they are known: half a unit of the last one, in relative terms at most 1e-5
    np.testing.assert_allclose(d_x[0][: len(figures["d_x"])], figures["d_x"], rtol=1e-5)
    np.testing.assert_allclose((1 - net.B) / 0.01, np.full((1, 4), figures["d_b"]), rtol=1e-6)
    if layer == "SimpleRNN":
        np.testing.assert_allclose((documented.W_H - net.Wh)[0] / 0.01, figures["d_w_h"], rtol=1e-5)
        np.testing.assert_allclose((documented.W_X - net.WX)[0] / 0.01, figures["d_w_x"], rtol=5e-5)
