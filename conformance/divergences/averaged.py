"""Mistakes in ASGD."""

from __future__ import annotations

from conformance.divergences.divergence import Divergence
from conformance.divergences.optimizers import FLOAT32_NOTE, float32, shared_by_all
from conformance.divergences.patching import Patch

MODULE = "optim.sgd"
ASGD = "ASGD.update"

STEP = "param = param * (1 - self.lambd * eta) - eta * grad"
AVERAGE = 'average = param.copy() if mu == 1 else state["ax"] + (param - state["ax"]) * mu'
NEXT_ETA = "self.lr / (1 + self.lambd * self.lr * t) ** self.alpha"


def asgd(id: str, title: str, note: str, correct: str, wrong: str, *seen_in: str) -> Divergence:
    """A divergence of one fragment of the update."""
    return Divergence(f"asgd-{id}", title, note, (Patch(MODULE, correct, wrong, ASGD),), seen_in)


DIVERGENCES: tuple[Divergence, ...] = (
    Divergence(
        "asgd-scalars-in-float64",
        "with ASGD's eta and mu in float64",
        "torch keeps both in float32 whatever the parameters' dtype: the rate differs by up to 6e-8. More precise, and "
        "not what torch computes.",
        (
            Patch(MODULE, "self.lr, dtype=np.float32", "self.lr, dtype=np.float64", "ASGD.first_state"),
            Patch(MODULE, "np.float32(next_eta)", "np.float64(next_eta)", ASGD),
            Patch(MODULE, "np.float32(next_mu)", "np.float64(next_mu)", ASGD),
        ),
        seen_in=("any implementation in one dtype",),
    ),
    asgd(
        "rate-of-this-step",
        "with ASGD's rate of this step in place of the one that the step before left",
        "torch computes eta after its use. Computed before, the first step is already decayed, and a changed lr acts "
        "at once.",
        'float(state["eta"])',
        NEXT_ETA,
    ),
    asgd(
        "rate-not-decayed",
        "without the decay of ASGD's rate",
        "eta stays lr: the averages no longer have the rate of Polyak and Juditsky.",
        NEXT_ETA,
        "self.lr",
    ),
    asgd(
        "rate-decay-without-power",
        "without the power alpha in ASGD's rate",
        "lr / (1 + lambd lr t): the option is accepted and does nothing.",
        " ** self.alpha",
        "",
    ),
    asgd(
        "rate-decay-one-step-behind",
        "with the count before this step in ASGD's rate",
        "The next rate belongs to the t steps made, this one included: with t - 1 the first two steps have the whole "
        "rate.",
        "self.lr * t)",
        "self.lr * (t - 1))",
    ),
    asgd(
        "rate-decay-without-lr",
        "with 1 + lambd t in place of 1 + lambd lr t in ASGD's rate",
        "The decay of Bottou's rate is that of the product lambd lr.",
        "self.lambd * self.lr * t",
        "self.lambd * t",
    ),
    asgd(
        "decay-term-ignored",
        "without ASGD's decay term",
        "lambd acts on the rate only; theta is not multiplied by 1 - lambd eta.",
        STEP,
        "param = param - eta * grad",
    ),
    asgd(
        "decay-term-not-scaled-by-rate",
        "with ASGD's decay term not multiplied by the rate",
        "theta is multiplied by 1 - lambd, whatever the rate.",
        "1 - self.lambd * eta",
        "1 - self.lambd",
    ),
    asgd(
        "decay-term-after-the-step",
        "with ASGD's decay term applied to the new parameter",
        "(theta - eta g)(1 - lambd eta): the step itself is decayed too.",
        STEP,
        "param = (param - eta * grad) * (1 - self.lambd * eta)",
    ),
    asgd(
        "average-from-the-first-step",
        "with ASGD averaging from the first step on",
        "t0 is accepted and does nothing: mu is 1 / t.",
        "max(1, t - self.t0)",
        "max(1, t)",
    ),
    asgd(
        "average-one-step-early",
        "with ASGD's average one step ahead of torch's",
        "mu = 1 / max(1, t + 1 - t0): torch computes it after its use, with the count of the step just made.",
        "t - self.t0",
        "t + 1 - self.t0",
    ),
    asgd(
        "average-of-the-parameter-before",
        "with ASGD's average of the parameter before its step",
        "Two lines in the wrong order: the average lags one step behind.",
        f"{STEP}\n        {AVERAGE}",
        'average = param.copy() if mu == 1 else state["ax"] + (param - state["ax"]) * mu\n'
        "        param = param * (1 - self.lambd * eta) - eta * grad",
    ),
    asgd(
        "average-weighs-the-old",
        "with mu and 1 - mu swapped in ASGD's average",
        "The average keeps the share of mu and takes the rest from the new parameter.",
        "* mu\n",
        "* (1 - mu)\n",
    ),
    asgd(
        "average-returned",
        "with ASGD's average returned as the parameter",
        "torch goes on from the parameter itself; the average is for evaluation, beside it.",
        "return param, {",
        "return average, {",
    ),
    *shared_by_all("ASGD"),
    Divergence(
        "asgd-options-in-float32",
        "with ASGD's options rounded to float32",
        FLOAT32_NOTE,
        (
            Patch(MODULE, "self.weight_decay * param", f"{float32('self.weight_decay')} * param", ASGD),
            Patch(MODULE, "1 - self.lambd * eta", f"1 - {float32('self.lambd')} * eta", ASGD),
            Patch(
                MODULE,
                NEXT_ETA,
                f"{float32('self.lr')} / (1 + {float32('self.lambd')} * {float32('self.lr')} * t) "
                f"** {float32('self.alpha')}",
                ASGD,
            ),
        ),
        seen_in=("Paddle", "MLX", "ONNX attributes"),
    ),
)
