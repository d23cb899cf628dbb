"""Mistakes with sparse gradients: in SparseAdam, SGD and Adagrad."""

from __future__ import annotations

from conformance.divergences.divergence import Divergence
from conformance.divergences.optimizers import FLOAT32_NOTE, float32
from conformance.divergences.patching import Patch

MODULE = "optim.sparse"
UPDATE = "SparseAdam.update_rows"


def _of(id: str, title: str, note: str, correct: str, wrong: str, function: str = UPDATE) -> Divergence:
    return Divergence(f"sparseadam-{id}", f"{title} in SparseAdam", note, (Patch(MODULE, correct, wrong, function),))


DIVERGENCES: tuple[Divergence, ...] = (
    # ------------------------------------------------------------------------------------------ repeated rows
    Divergence(
        "sparse-last-of-repeated-rows",
        "with the last of a row's repeated gradients in place of their sum",
        "Assigned instead of added.",
        (Patch("optim.sparse_gradient", "values[row] + grad.values[k]", "grad.values[k]", "added_up"),),
        seen_in=("NumPy's table[rows] += values",),
    ),
    Divergence(
        "sparse-mean-of-repeated-rows",
        "with the mean of a row's repeated gradients in place of their sum",
        "A row that occurs often in a batch counts no more than one that occurs once.",
        (
            Patch(
                "optim.sparse_gradient",
                "+ grad.values[k]",
                "+ grad.values[k] / np.count_nonzero(place == row)",
                "added_up",
            ),
        ),
    ),
    # ------------------------------------------------------------------------------------------------------ SGD
    Divergence(
        "sgd-sparse-velocity-of-given-rows",
        "with the velocity moving only the rows that a sparse gradient has in SGD",
        "torch's velocity goes on moving a row that has no gradient any more.",
        (
            Patch(
                "optim.sgd",
                "return self.update(param, with_rows(np.zeros_like(param), *added_up(grad)), state)",
                "moved, new = self.update(param, with_rows(np.zeros_like(param), *added_up(grad)), state)\n"
                "        rows = np.unique(grad.rows)\n"
                "        return with_rows(param, rows, moved[rows]), new",
                "SGD.update_rows",
            ),
        ),
    ),
    Divergence(
        "sgd-sparse-velocity-kept-elsewhere",
        "with the velocity of rows without a gradient kept and not applied in SGD",
        "Lazy momentum: a row that comes again has the velocity of its last time, however long ago.",
        (
            Patch(
                "optim.sgd",
                "return self.update(param, with_rows(np.zeros_like(param), *added_up(grad)), state)",
                "rows, gradient = added_up(grad)\n"
                "        before = {key: value[rows] for key, value in state.items()}\n"
                "        moved, new = self.update(param[rows], gradient, before)\n"
                "        kept = {key: state.get(key, np.zeros_like(param)) for key in new}\n"
                "        new = {key: with_rows(kept[key], rows, value) for key, value in new.items()}\n"
                "        return with_rows(param, rows, moved), new",
                "SGD.update_rows",
            ),
        ),
        seen_in=("lazy updates",),
    ),
    Divergence(
        "sgd-empty-gradient-skipped",
        "with a gradient without rows leaving SGD's velocity alone",
        "Nothing to add is not nothing to do: the velocity decays and moves the parameter.",
        (
            Patch(
                "optim.sgd",
                "return self.update(",
                "return (param, state) if not grad.rows.size else self.update(",
                "SGD.update_rows",
            ),
        ),
    ),
    # -------------------------------------------------------------------------------------------------- Adagrad
    Divergence(
        "adagrad-sparse-squares-of-each-value",
        "with the squares of a row's repeated gradients added up in Adagrad, in place of the square of their sum",
        "The values of a row are one gradient: they are added up before anything is done with them.",
        (
            Patch(
                "optim.adaptive",
                'state["sum"][rows]',
                'state["sum"][rows] - gradient * gradient'
                " + added_up(SparseGradient(grad.rows, grad.values * grad.values))[1]",
                "Adagrad.update_rows",
            ),
        ),
    ),
    Divergence(
        "adagrad-empty-gradient-not-counted",
        "with a gradient without rows not counted as a step in Adagrad",
        "The rate of the next step decays less.",
        (
            Patch(
                "optim.adaptive",
                '| {"sum": with_rows',
                '| {"step": new["step"] if rows.size else state["step"], "sum": with_rows',
                "Adagrad.update_rows",
            ),
        ),
    ),
    # ----------------------------------------------------------------------------------------------- SparseAdam
    Divergence(
        "sparseadam-all-rows-decay",
        "with the moments of all rows decaying in SparseAdam",
        "Adam on the gradient filled up with zeros: rows without a gradient go on moving.",
        (
            Patch(
                MODULE,
                "        if self.maximize",
                "        full = np.zeros_like(param)\n"
                "        full[rows] = gradient\n"
                "        rows, gradient = np.arange(len(param)), full\n"
                "        if self.maximize",
                UPDATE,
            ),
        ),
        seen_in=("Adam without lazy rows", "TensorFlow's Adam"),
    ),
    _of(
        "empty-gradient-not-counted",
        "with a gradient without rows not counted as a step",
        "torch counts before it looks: the bias correction of the next step differs.",
        'int(state["step"]) + 1',
        'int(state["step"]) + int(grad.rows.size > 0)',
    ),
    _of(
        "epsilon-after-correction",
        "with epsilon added after bias correction",
        "Adam's place for it; here torch adds it to the uncorrected root.",
        "(np.sqrt(exp_avg_sq) + eps)",
        "(np.sqrt(exp_avg_sq) + eps * bias_correction2**0.5)",
    ),
    _of(
        "epsilon-1e-7",
        "with epsilon 1e-7 by default",
        "torch's default is 1e-8. Shows where gradients are as small as epsilon.",
        "betas, self.eps",
        "betas, (1e-7 if self.eps == 1e-8 else self.eps)",
    ),
    _of(
        "without-bias-correction",
        "without bias correction",
        "The first step is 3 times torch's with the default betas.",
        "self.lr * bias_correction2**0.5 / bias_correction1",
        "self.lr",
    ),
    _of(
        "count-one-ahead",
        "with the step count one ahead in the bias correction",
        "The count starts at 1 and is incremented before its first use.",
        "t = int(step)",
        "t = int(step) + 1",
    ),
    _of(
        "betas-swapped",
        "with beta1 and beta2 swapped",
        "The first moment remembers a thousand steps, the second ten.",
        "(beta1, beta2), eps",
        "(beta2, beta1), eps",
    ),
    _of(
        "first-moment-summed",
        "with g in place of (1 - beta1) g in the first moment",
        "Half of the exponential average is forgotten.",
        "exp_avg + (1 - beta1) * (gradient - exp_avg)",
        "beta1 * exp_avg + gradient",
    ),
    _of(
        "second-moment-summed",
        "with g^2 in place of (1 - beta2) g^2 in the second moment",
        "Half of the exponential average is forgotten.",
        "exp_avg_sq + (1 - beta2) * (gradient * gradient - exp_avg_sq)",
        "beta2 * exp_avg_sq + gradient * gradient",
    ),
    _of(
        "maximize-ignored",
        "with the gradient followed downwards whatever maximize says",
        "The option is accepted and does nothing.",
        "gradient = -gradient",
        "gradient = gradient",
    ),
    Divergence(
        "sparseadam-options-in-float32",
        "with SparseAdam's options rounded to float32",
        FLOAT32_NOTE,
        (
            Patch(
                MODULE,
                "(beta1, beta2), eps = self.betas, self.eps",
                "(beta1, beta2), eps = self.betas, self.eps\n"
                f"        beta1, beta2, eps = {float32('beta1')}, {float32('beta2')}, {float32('eps')}",
                UPDATE,
            ),
            Patch(MODULE, "self.lr * bias", f"{float32('self.lr')} * bias", UPDATE),
        ),
        seen_in=("Paddle", "MLX", "ONNX attributes"),
    ),
)
