"""L-BFGS: the one algorithm that asks for the loss and its gradient as often as it needs them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from reference.checks import ARRAYS, FLOATS, Array, Params, check_like
from reference.optim.base import check_given, check_known, options_as_python

Closure: TypeAlias = Callable[[dict[str, Array]], tuple[Any, Mapping[str, Array | None]]]
"""the loss at some parameters, and its gradients by name; a missing gradient, or None, counts as 0"""
Evaluate: TypeAlias = Callable[[Any], tuple[Any, Array]]
"""the loss and its flat gradient at a distance along the direction"""


@dataclass(frozen=True)
class LBFGS:
    """Limited-memory BFGS (Liu and Nocedal 1989), with a fixed step or a line search for the strong Wolfe conditions.

        params, state = optimizer.step(params, closure, state)

    A step makes up to ``max_iter`` iterations. With g the gradient of all parameters as one vector, in each:

        y <- g - g_previous,  s <- t d                       (kept if y s > 1e-10, the newest history_size of them)
        H <- y s / y y
        q <- -g
        a_i <- s_i q / (y_i s_i),  q <- q - a_i y_i          (from the newest to the oldest)
        d <- H q
        d <- d + (a_i - y_i d / (y_i s_i)) s_i               (from the oldest to the newest)
        theta <- theta + t d

    The first direction is -g and its t is gamma min(1, 1 / sum |g|); afterwards t is gamma, the line search's first
    guess. It ends early where the gradient, the movement or the change of the loss is within its tolerance, or
    after ``max_eval`` calls of the closure (None: 5/4 of max_iter).
    State: ``func_evals`` and ``n_iter``, and after the first iteration ``d``, ``t``, ``old_dirs`` (the y),
    ``old_stps`` (the s), ``ro`` (the 1 / y s), ``H_diag``, ``prev_flat_grad``, ``prev_loss``.

    Raises:
        TypeError: ``lr`` is no number.
        ValueError: ``lr`` is not at least 0.
    """

    lr: float = 1
    max_iter: int = 20
    max_eval: int | None = None
    tolerance_grad: float = 1e-7
    tolerance_change: float = 1e-9
    history_size: int = 100
    line_search_fn: str | None = None

    def __post_init__(self) -> None:
        options_as_python(self)
        if not self.lr >= 0.0:
            raise ValueError(f"Invalid learning rate: {self.lr}")

    @property
    def most_evaluations(self) -> int:
        """How often a step may call the closure: ``max_eval``, or what torch takes for None."""
        return self.max_iter * 5 // 4 if self.max_eval is None else self.max_eval

    def init(self, params: Params) -> dict[str, Any]:
        """The state before the first step: one for all parameters.

        Raises:
            TypeError: parameters that are no dict of arrays.
            ValueError: no parameters.
            RuntimeError: parameters of another dtype than float32, float64 or longdouble.
        """
        check_given(params)
        for name, param in params.items():
            if param.dtype not in FLOATS:
                raise RuntimeError(f"parameter {name} must be float32, float64 or longdouble, got {param.dtype}")
        return {"func_evals": 0, "n_iter": 0}

    def step(
        self, params: Params, closure: Closure, state: Mapping[str, Any]
    ) -> tuple[dict[str, Array], dict[str, Any]]:
        """Up to ``max_iter`` iterations from ``params``: new parameters and state; what is passed in stays as it is.

        Raises:
            TypeError: a loss that is no number, a gradient that is no array; a state that counts iterations and lacks
                what they leave.
            ValueError: no parameters; a loss of several numbers.
            RuntimeError: a gradient's shape or dtype is not its parameter's; no parameter has an element; an unknown
                line search.
            KeyError: a gradient for a parameter that does not exist; a state without the counts of ``init``.
            IndexError: a history that cannot hold a pair.
            ZeroDivisionError: a line search with a rate of 0; but in a first iteration whose gradient's absolute sum
                is above 1 its numbers are NaN, as in torch.
            UnboundLocalError: a line search with a ``max_eval`` below 1, as in torch.
        """
        max_eval = self.most_evaluations
        state = dict(state)
        x = np.concatenate([param.reshape(-1) for param in params.values()])
        if not x.size:
            shapes = ", ".join(str(param.shape) for param in params.values())
            raise RuntimeError(
                f"the parameters have no elements, and their gradient no largest one: got shapes {shapes}"
            )

        def evaluate(at: Array) -> tuple[Any, Array]:
            value, grads = closure(_unflat(at, params))
            return _number(value), _flat_gradient(grads, params)

        loss, grad = evaluate(x)
        evaluations = 1
        state["func_evals"] += 1
        if np.abs(grad).max() <= self.tolerance_grad:
            return _unflat(x, params), state

        d: Any = state.get("d")
        t: Any = state.get("t")
        h_diag: Any = state.get("H_diag")
        previous: Any = state.get("prev_flat_grad")
        dirs: Any = state.get("old_dirs")
        steps: Any = state.get("old_stps")
        ro: Any = state.get("ro")
        previous_loss = state.get("prev_loss")
        iteration = 0
        while iteration < self.max_iter:
            iteration = iteration + 1
            state["n_iter"] += 1
            first = state["n_iter"] == 1
            if first:
                d, dirs, steps, ro, h_diag = -grad, [], [], [], 1
            else:
                y, s = grad - previous, d * t
                ys = y.dot(s)
                if ys > 1e-10:
                    if self.history_size < 1:  # torch, too, refuses it only here
                        raise IndexError(f"history_size must be at least 1, got {self.history_size}")
                    if len(dirs) == self.history_size:
                        dirs, steps, ro = dirs[1:], steps[1:], ro[1:]
                    dirs, steps, ro = [*dirs, y], [*steps, s], [*ro, 1.0 / ys]
                    h_diag = ys / y.dot(y)
                d = _direction(grad, dirs, steps, ro, h_diag)
            previous, previous_loss = grad, loss
            t = min(1.0, 1.0 / np.abs(grad).sum()) * self.lr if first else self.lr
            slope = grad.dot(d)
            if slope > -self.tolerance_change:
                break

            calls = 0
            if self.line_search_fn is not None:
                if self.line_search_fn != "strong_wolfe":  # torch, too, refuses it only here
                    raise RuntimeError(f"line_search_fn must be None or 'strong_wolfe', got {self.line_search_fn!r}")
                start, along = x, d

                def at_distance(distance: Any, start: Array = start, along: Array = along) -> tuple[Any, Array]:
                    return evaluate(start + distance * along)

                loss, grad, t, calls = _strong_wolfe(at_distance, t, d, loss, grad, slope, max_eval - evaluations)
                x = x + t * d
            else:
                x = x + t * d
                if iteration != self.max_iter:
                    loss, grad = evaluate(x)
                    calls = 1
            evaluations = evaluations + calls
            state["func_evals"] += calls
            if iteration == self.max_iter or evaluations >= max_eval:
                break
            if np.abs(grad).max() <= self.tolerance_grad:
                break
            if np.abs(d * t).max() <= self.tolerance_change or abs(loss - previous_loss) < self.tolerance_change:
                break

        state |= {"d": d, "t": t, "old_dirs": dirs, "old_stps": steps, "ro": ro, "H_diag": h_diag}
        return _unflat(x, params), state | {"prev_flat_grad": previous, "prev_loss": previous_loss}


def _number(loss: Any) -> Any:
    """A closure's loss as torch keeps it, a Python float (of longdouble a longdouble), and no array that may change."""
    if isinstance(loss, np.ndarray) and type(loss) is not np.ndarray:
        return loss.copy()  # an array of another class has its own arithmetic
    if isinstance(loss, ARRAYS):
        loss = loss.item()
    return loss if isinstance(loss, np.longdouble) else float(loss)


def _direction(grad: Array, dirs: list[Array], steps: list[Array], ro: list[Any], h_diag: Any) -> Array:
    """The approximate inverse Hessian times -g, by two loops over the history."""
    q = -grad
    alphas = [0.0] * len(dirs)
    for i in reversed(range(len(dirs))):
        alphas[i] = steps[i].dot(q) * ro[i]
        q = q - alphas[i] * dirs[i]
    r: Array = q * h_diag
    for i in range(len(dirs)):
        beta = dirs[i].dot(r) * ro[i]
        r = r + (alphas[i] - beta) * steps[i]
    return r


C1, C2 = 1e-4, 0.9
"""the strong Wolfe conditions: f(t) <= f(0) + C1 t f'(0) and |f'(t)| <= C2 |f'(0)|"""
SMALLEST_BRACKET = 1e-9
NUMBERS = frozenset((int, float))
"""types of a step that comes from the options alone, not out of an array"""


def _strong_wolfe(
    evaluate: Evaluate, t: Any, d: Array, f: Any, g: Array, slope: Any, max_ls: int
) -> tuple[Any, Array, Any, int]:
    """A step that meets the strong Wolfe conditions: loss, gradient, step, calls (Nocedal and Wright, section 3.5).

    A point is (step, loss, gradient, slope).
    """
    f_new, g_new = evaluate(t)
    calls, iteration = 1, 0
    slope_new = g_new.dot(d)
    before = (0, f, g, slope)
    done = False

    # first a bracket: two points with a good one between them, or a good point itself
    while iteration < max_ls:
        now = (t, f_new, g_new, slope_new)
        if f_new > f + C1 * t * slope or (iteration > 1 and f_new >= before[1]):
            bracket = [before, now]
            break
        if abs(slope_new) <= -C2 * slope:
            bracket, done = [now], True
            break
        if slope_new >= 0:
            bracket = [before, now]
            break
        t = _cubic(before, now, (t + 0.01 * (t - before[0]), t * 10))
        before = now
        f_new, g_new = evaluate(t)
        calls, iteration = calls + 1, iteration + 1
        slope_new = g_new.dot(d)
    if iteration == max_ls:
        bracket = [(0, f, g, slope), (t, f_new, g_new, slope_new)]

    # then the bracket shrinks around it
    low, high = (0, 1) if bracket[0][1] <= bracket[-1][1] else (1, 0)
    stuck = False
    while not done and iteration < max_ls:
        if abs(bracket[1][0] - bracket[0][0]) * np.abs(d).max() < SMALLEST_BRACKET:
            break
        t = _cubic(bracket[0], bracket[1])
        left, right = min(bracket[0][0], bracket[1][0]), max(bracket[0][0], bracket[1][0])
        margin = 0.1 * (right - left)
        if min(right - t, t - left) < margin:
            # too near to an end: allowed once, then moved away from it
            if stuck or t >= right or t <= left:
                t = right - margin if abs(t - right) < abs(t - left) else left + margin
                stuck = False
            else:
                stuck = True
        else:
            stuck = False
        f_new, g_new = evaluate(t)
        calls, iteration = calls + 1, iteration + 1
        slope_new = g_new.dot(d)
        now = (t, f_new, g_new, slope_new)
        if f_new > f + C1 * t * slope or f_new >= bracket[low][1]:
            bracket[high] = now
            low, high = (0, 1) if bracket[0][1] <= bracket[1][1] else (1, 0)
        else:
            if abs(slope_new) <= -C2 * slope:
                done = True
            elif slope_new * (bracket[high][0] - bracket[low][0]) >= 0:
                bracket[high] = bracket[low]
            bracket[low] = now
    step, loss, grad, _ = bracket[low]
    return loss, grad, step, calls


def _cubic(one: tuple[Any, ...], other: tuple[Any, ...], bounds: tuple[Any, Any] | None = None) -> Any:
    """Where the cubic through two points with their slopes is smallest, within bounds; the middle if nowhere."""
    (x1, f1, _, g1), (x2, f2, _, g2) = one, other
    lower, upper = bounds or ((x1, x2) if x1 <= x2 else (x2, x1))
    if type(x1) in NUMBERS and type(x2) in NUMBERS and x1 == x2:  # arrays would give NaN, in torch as here
        raise ZeroDivisionError(f"a line search needs a learning rate above 0, got a step of {x2}")
    d1 = g1 + g2 - 3 * (f1 - f2) / (x1 - x2)
    square = d1**2 - g1 * g2
    if not square >= 0:  # NaN, from a loss that is not finite, included
        return (lower + upper) / 2.0
    d2 = np.sqrt(square)
    if x1 <= x2:
        position = x2 - (x2 - x1) * ((g2 + d2 - d1) / (g2 - g1 + 2 * d2))
    else:
        position = x1 - (x1 - x2) * ((g1 + d2 - d1) / (g1 - g2 + 2 * d2))
    return min(max(position, lower), upper)


def _flat_gradient(grads: Mapping[str, Array | None], params: Params) -> Array:
    check_known("gradient", grads, params)
    flat = []
    for name, param in params.items():
        grad = grads.get(name)
        if grad is None:
            grad = np.zeros_like(param)
        check_like(f"gradient of {name}", grad, param.shape, param.dtype)
        flat.append(grad.reshape(-1))
    return np.concatenate(flat)


def _unflat(flat: Array, params: Params) -> dict[str, Array]:
    result, start = {}, 0
    for name, param in params.items():
        result[name] = flat[start : start + param.size].reshape(param.shape).copy()
        start += param.size
    return result
