"""Mistakes with groups of parameters, and with parameters that have no gradient in a step."""

from __future__ import annotations

from conformance.divergences.divergence import Divergence
from conformance.divergences.optimizers import STORED
from conformance.divergences.patching import Patch

FIRST = "self.groups[0][0]"


def _step(id: str, title: str, note: str, correct: str, wrong: str, *seen_in: str) -> Divergence:
    return Divergence(
        f"groups-{id}", title, note, (Patch("optim.groups", correct, wrong, "ParamGroups.step"),), seen_in
    )


def _with_rate(optimizer: str, rate: str) -> str:
    """One optimizer with another's rate."""
    return f'type({optimizer})(**(asdict({optimizer}) | {{"lr": {rate}}}))'


DIVERGENCES: tuple[Divergence, ...] = (
    _step(
        "first-options-for-all",
        "with the first group's options in every group",
        "The options are read once, before the loop over the groups.",
        "optimizer.step(",
        f"{FIRST}.step(",
    ),
    _step(
        "last-options-for-all",
        "with the last group's options in every group",
        "Options that are kept in one place are overwritten group by group. Where the last group has none of its own, "
        "these are the constructor's, and what the other groups ask for is ignored.",
        "optimizer.step(",
        "self.groups[-1][0].step(",
    ),
    _step(
        "one-rate",
        "with the first group's learning rate in every group",
        "All options but the rate are the group's own: a schedule that sets the rate of param_groups[0] only.",
        "optimizer.step(",
        f"{_with_rate('optimizer', f'{FIRST}.lr')}.step(",
    ),
    _step(
        "rates-only",
        "with nothing but the learning rate a group's own",
        "Groups are taken for rates; weight decay and all other options are the first group's.",
        "optimizer.step(",
        f"{_with_rate(FIRST, 'optimizer.lr')}.step(",
        "frameworks whose groups are multipliers of the rate",
    ),
    _step(
        "missing-gradient-as-zeros",
        "with zeros in place of a gradient that a group's parameter does not have",
        "Without a gradient torch leaves a parameter and its state alone, whatever the others of its group do.",
        "grads[name] for name in names if name in grads",
        "grads.get(name, np.zeros_like(params[name])) for name in names",
    ),
    Divergence(
        "missing-gradient-decayed",
        "with weight decay for a parameter without a gradient",
        "Decay that is applied to all parameters, before or after the loop over those that have a gradient.",
        (
            Patch(
                "optim.base",
                STORED,
                "new_params[name], new_state[name] = (param if grad is not None else "
                'param * (1 - self.lr * getattr(self, "weight_decay", 0))), entries',
                "Optimizer.step",
            ),
        ),
    ),
    Divergence(
        "missing-gradient-counted",
        "with the step of a parameter without a gradient counted",
        "torch counts the steps of each parameter, not the calls of step: bias correction and decaying rates start "
        "with a parameter's first gradient.",
        (
            Patch(
                "optim.base",
                STORED,
                "if grad is None and 'step' in self.first_state(param):\n"
                "                entries = entries or self.first_state(param)\n"
                "                entries['step'] = count(entries['step'])\n"
                f"            {STORED}",
                "Optimizer.step",
            ),
        ),
        seen_in=("a step count that belongs to the optimizer, as in Keras",),
    ),
)
