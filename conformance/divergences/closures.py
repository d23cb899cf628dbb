"""Mistakes in LBFGS."""

from __future__ import annotations

from conformance.divergences.divergence import Divergence
from conformance.divergences.patching import Patch

MODULE = "optim.lbfgs"
STEP = "LBFGS.step"
SEARCH = "_strong_wolfe"


def _of(function: str, id: str, title: str, note: str, correct: str, wrong: str, *seen_in: str) -> Divergence:
    return Divergence(f"lbfgs-{id}", f"{title} in LBFGS", note, (Patch(MODULE, correct, wrong, function),), seen_in)


DIVERGENCES: tuple[Divergence, ...] = (
    _of(
        STEP,
        "memory-forgotten-between-steps",
        "with the history forgotten between steps",
        "Every step starts along the gradient again; torch carries its state on.",
        "state = dict(state)",
        'state = {"func_evals": state["func_evals"], "n_iter": 0}',
        "SciPy's minimize, called anew each time",
    ),
    _of(
        STEP,
        "history-size-ignored",
        "with an unlimited history",
        "The option is accepted and does nothing: BFGS.",
        "len(dirs) == self.history_size",
        "False",
    ),
    _of(
        STEP,
        "newest-pair-dropped",
        "with the newest pair dropped where the history is full",
        "The oldest one has to go.",
        "dirs[1:], steps[1:], ro[1:]",
        "dirs[:-1], steps[:-1], ro[:-1]",
    ),
    _of(
        STEP,
        "initial-hessian-not-scaled",
        "with 1 as the first approximation of the inverse Hessian",
        "y s / y y gives the direction its size.",
        "h_diag = ys / y.dot(y)",
        "h_diag = 1",
    ),
    _of(
        STEP,
        "initial-hessian-by-steps",
        "with s s / y s as the first approximation of the inverse Hessian",
        "The other Barzilai-Borwein length.",
        "h_diag = ys / y.dot(y)",
        "h_diag = s.dot(s) / ys",
    ),
    _of(
        STEP,
        "first-step-not-scaled",
        "with the whole rate in the first iteration",
        "torch bounds the first step by 1 / sum |g|.",
        "min(1.0, 1.0 / np.abs(grad).sum()) * self.lr if first else self.lr",
        "self.lr",
    ),
    _of(
        STEP,
        "first-step-by-the-2-norm",
        "with the gradient's 2-norm in place of its 1-norm in the first iteration",
        "1 / ||g|| in place of 1 / sum |g|.",
        "np.abs(grad).sum()",
        "np.sqrt(grad.dot(grad))",
    ),
    _of(
        STEP,
        "search-starts-from-1",
        "with 1 as the first guess after the first iteration, whatever lr says",
        "torch takes lr there too.",
        "* self.lr if first else self.lr",
        "* self.lr if first else 1.0",
    ),
    _of(
        STEP,
        "one-call-too-many",
        "with the loss asked for after the last iteration",
        "With a fixed step torch saves that call: the next step makes it anyway.",
        "if iteration != self.max_iter:",
        "if True:",
    ),
    _of(
        STEP,
        "gradient-tolerance-ignored",
        "going on where the gradient is small enough",
        "tolerance_grad is accepted and does nothing.",
        "        if np.abs(grad).max() <= self.tolerance_grad:\n            return",
        "        if False:\n            return",
    ),
    _of(
        STEP,
        "change-tolerance-ignored",
        "going on where nothing changes any more",
        "tolerance_change is accepted and does nothing.",
        "if np.abs(d * t).max() <= self.tolerance_change or abs(loss - previous_loss) < self.tolerance_change:",
        "if False:",
    ),
    _of(
        STEP,
        "evaluations-unlimited",
        "with as many calls of the closure as it takes",
        "max_eval is accepted and does nothing.",
        "max_eval = self.most_evaluations",
        "max_eval = 10**6",
    ),
    _of(
        "_direction",
        "first-loop-in-the-wrong-order",
        "with the first loop from the oldest pair to the newest",
        "The two loops run in opposite orders.",
        "reversed(range(len(dirs)))",
        "range(len(dirs))",
    ),
    _of(
        "_direction",
        "second-loop-sign",
        "with the correction's sign turned in the second loop",
        "r + (beta - alpha) s.",
        "(alphas[i] - beta)",
        "(beta - alphas[i])",
    ),
    _of(
        "_direction",
        "second-loop-missing",
        "without the second loop",
        "Half of the product with the inverse Hessian.",
        "r = r + (alphas[i] - beta) * steps[i]",
        "r = r",
    ),
    _of(
        SEARCH,
        "search-without-curvature",
        "with a line search for sufficient decrease only",
        "Armijo's condition: the slope may still be steep.",
        "if abs(slope_new) <= -C2 * slope:\n            bracket, done",
        "if True:\n            bracket, done",
        "backtracking line searches",
    ),
    _of(
        SEARCH,
        "search-with-c2-0.1",
        "with 0.1 in the curvature condition",
        "The constant for conjugate gradients; torch's is 0.9.",
        "if abs(slope_new) <= -C2 * slope:\n            bracket, done",
        "if abs(slope_new) <= -0.1 * slope:\n            bracket, done",
    ),
    _of(
        "_cubic",
        "search-by-halves",
        "with the middle of the bracket in place of the cubic's minimum",
        "Bisection: right in the end, after more calls.",
        "if not square >= 0:",
        "if True:",
    ),
)
