"""Mistakes in saving a run and going on with it."""

from __future__ import annotations

from conformance.divergences.divergence import Divergence
from conformance.divergences.patching import Patch

LOADED = "value.astype(dtype)"


def _of(
    function: str, id: str, title: str, note: str, correct: str, wrong: str, *seen_in: str, precision: bool = False
) -> Divergence:
    patch = Patch("optim.groups", correct, wrong, function)
    return Divergence(f"saved-{id}", title, note, (patch,), seen_in, precision=precision)


DIVERGENCES: tuple[Divergence, ...] = (
    _of(
        "load_state_dict",
        "state-not-loaded",
        "with the state of a saved run left out",
        "The parameters go on, their moments and step counts start again: only weights were saved.",
        'saved["state"].get(index, {})',
        "{}",
        "runs that go on from a file of weights",
    ),
    _of(
        "_loaded",
        "steps-not-loaded",
        "with the steps of a saved run counted from 0 again",
        "The moments are loaded, their bias is corrected as if they were new.",
        "return np.array(value)",
        "return np.zeros_like(np.array(value))",
    ),
    _of(
        "_with_options",
        "options-not-loaded",
        "with the new optimizer's options in place of the saved ones",
        "torch takes all options from what was saved, whatever the constructor was given.",
        "saved[name]",
        "getattr(member, name)",
    ),
    _of(
        "_with_options",
        "rate-alone-loaded",
        "with the saved rate and the new optimizer's other options",
        "Betas, epsilon and decay are options of the group as the rate is.",
        "saved[name]",
        '(saved if name == "lr" else vars(member))[name]',
    ),
    _of(
        "load_state_dict",
        "numbered-without-groups",
        "with a saved state given to the parameters in the model's order",
        "The numbers run through the groups: with more than one they are not the order of the model's parameters.",
        '["state"].get(index',
        '["state"].get(list(params).index(name)',
    ),
    _of(
        "state_dict",
        "numbered-without-gaps",
        "with only those parameters numbered in a saved state that have one",
        "A parameter that had no gradient yet has its number all the same; the states after it go to the wrong one.",
        "entries[index]",
        "entries[len(entries)]",
    ),
    _of(
        "_loaded",
        "dtype-kept",
        "with what was saved in float32 kept in float32",
        "torch gives all that it loads, but for the step, its parameter's dtype: NAdam's product goes on in float64.",
        LOADED,
        "value.copy()",
    ),
    _of(
        "_loaded",
        "through-float32",
        "with a saved state rounded to float32",
        "A file format, or a framework between the two runs, that knows float32 only.",
        LOADED,
        "value.astype(np.float32).astype(dtype)",
        precision=True,
    ),
    _of(
        "_loaded",
        "maximum-not-loaded",
        "with AMSGrad's maximum not loaded",
        "The entry that only the option amsgrad asks for is forgotten: the maximum starts from 0 again.",
        LOADED,
        f'{LOADED} * (key != "max_exp_avg_sq")',
    ),
    _of(
        "_loaded",
        "history-not-loaded",
        "with LBFGS' history not loaded",
        "Lists of arrays are not what the entries of other algorithms are, and are easily dropped.",
        "[_loaded(key, entry, dtype) for entry in value]",
        "[]",
    ),
)
