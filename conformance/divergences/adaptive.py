"""Mistakes in Adagrad, RMSprop, Adadelta and Rprop, and other frameworks' dialects of them."""

from __future__ import annotations

from conformance.divergences.divergence import Divergence
from conformance.divergences.optimizers import FLOAT32_NOTE, float32, other_default, shared_by_all
from conformance.divergences.patching import Patch

ADAGRAD = "Adagrad.update"
RMSPROP = "RMSprop.update"
ADADELTA = "Adadelta.update"
RPROP = "Rprop.update"

DELTA = 'np.sqrt(state["acc_delta"] + eps) / np.sqrt(square_avg + eps) * grad'
SIGN = "np.where(grad > 0, 1.0, np.where(grad < 0, -1.0, 0.0))"

DIVERGENCES: tuple[Divergence, ...] = (
    # ------------------------------------------------------------------------------------------------- Adagrad
    Divergence(
        "adagrad-epsilon-inside-root",
        "with Adagrad's epsilon inside the root",
        "sqrt(s + eps) in place of sqrt(s) + eps: with gradients near 1 nobody sees it, with small ones the steps are "
        "another size.",
        (Patch("optim.adaptive", "np.sqrt(total) + eps", "np.sqrt(total + eps)", ADAGRAD),),
    ),
    Divergence(
        "adagrad-epsilon-1e-7-inside-root",
        "with Adagrad's epsilon inside the root and 1e-7 by default",
        "sqrt(s + 1e-7): gradients below 3e-4 hardly move anything at first, where torch's first step is lr whatever "
        "the gradient.",
        (
            Patch("optim.adaptive", "np.sqrt(total) + eps", "np.sqrt(total + eps)", ADAGRAD),
            other_default(ADAGRAD, "eps", "1e-10", "1e-7"),
        ),
        seen_in=("notebook N10", "optax", "Keras", "TensorFlow"),
    ),
    *(
        Divergence(
            f"adagrad-epsilon-{value}",
            f"with Adagrad's epsilon {value} by default",
            "torch's default is 1e-10. Shows where gradients are as small as epsilon.",
            (other_default(ADAGRAD, "eps", "1e-10", value),),
            seen_in,
        )
        for value, seen_in in (("1e-6", ("Paddle",)), ("1e-7", ("zero-kara",)), ("1e-8", ("MLX",)))
    ),
    Divergence(
        "adagrad-without-epsilon",
        "without Adagrad's epsilon",
        "A parameter that has only seen gradients of 0 becomes 0 / 0.",
        (Patch("optim.adaptive", "np.sqrt(total) + eps", "np.sqrt(total)", ADAGRAD),),
    ),
    Divergence(
        "adagrad-accumulator-starts-at-0.1",
        "with Adagrad's sum of squares starting at 0.1 by default",
        "torch starts at 0. First steps with gradients below 0.3 are much smaller.",
        (other_default("Adagrad.initial_state", "initial_accumulator_value", "0", "0.1"),),
        seen_in=("optax", "Keras", "TensorFlow"),
    ),
    Divergence(
        "adagrad-initial-accumulator-ignored",
        "with Adagrad's sum of squares always starting at 0",
        "initial_accumulator_value is accepted and does nothing.",
        (Patch("optim.adaptive", "self.initial_accumulator_value", "0", "Adagrad.initial_state"),),
    ),
    Divergence(
        "adagrad-squares-not-accumulated",
        "with the last gradient's square in place of Adagrad's sum",
        "Assigned instead of added: every step is lr in the direction of the gradient's sign.",
        (Patch("optim.adaptive", 'state["sum"] + grad * grad', "grad * grad", ADAGRAD),),
    ),
    Divergence(
        "adagrad-sum-before-this-gradient",
        "with Adagrad's step divided by the sum before this gradient was added",
        "Two lines in the wrong order: the first step divides by epsilon alone.",
        (Patch("optim.adaptive", "np.sqrt(total)", 'np.sqrt(state["sum"])', ADAGRAD),),
    ),
    Divergence(
        "adagrad-root-missing",
        "without the root in Adagrad's denominator",
        "g / (s + eps): the smaller the gradients, the larger the steps.",
        (Patch("optim.adaptive", "np.sqrt(total)", "(total)", ADAGRAD),),
    ),
    Divergence(
        "adagrad-rate-decay-ignored",
        "without Adagrad's lr_decay",
        "The option is accepted and does nothing.",
        (Patch("optim.adaptive", "self.lr / (1 + (float(step) - 1) * self.lr_decay)", "self.lr", ADAGRAD),),
    ),
    Divergence(
        "adagrad-rate-decay-one-step-ahead",
        "with Adagrad's rate decayed from the first step on",
        "torch divides by 1 + (t - 1) lr_decay: the first step has the whole rate.",
        (Patch("optim.adaptive", "(float(step) - 1)", "float(step)", ADAGRAD),),
    ),
    *shared_by_all("Adagrad"),
    Divergence(
        "adagrad-options-in-float32",
        "with Adagrad's options rounded to float32",
        FLOAT32_NOTE,
        (
            Patch("optim.adaptive", "eps = self.eps", f"eps = {float32('self.eps')}", ADAGRAD),
            Patch("optim.adaptive", "self.weight_decay * param", f"{float32('self.weight_decay')} * param", ADAGRAD),
            Patch("optim.adaptive", "lr = self.lr", f"lr = {float32('self.lr')}", ADAGRAD),
            Patch("optim.adaptive", "* self.lr_decay", f"* {float32('self.lr_decay')}", ADAGRAD),
            Patch(
                "optim.adaptive",
                "self.initial_accumulator_value",
                float32("self.initial_accumulator_value"),
                "Adagrad.initial_state",
            ),
        ),
        seen_in=("Paddle", "MLX", "ONNX attributes"),
    ),
    # ------------------------------------------------------------------------------------------------- RMSprop
    Divergence(
        "rmsprop-alpha-0.9",
        "with RMSprop's alpha 0.9 by default",
        "torch's default is 0.99: the average forgets ten times as fast, and first steps are a third of torch's.",
        (other_default(RMSPROP, "alpha", "0.99", "0.9"),),
        seen_in=("optax", "Keras"),
    ),
    Divergence(
        "rmsprop-epsilon-inside-root",
        "with RMSprop's epsilon inside the root",
        "sqrt(v + eps) in place of sqrt(v) + eps: gradients below 1e-3 make much smaller steps.",
        (Patch("optim.adaptive", "np.sqrt(variance) + eps", "np.sqrt(variance + eps)", RMSPROP),),
        seen_in=("optax",),
    ),
    Divergence(
        "rmsprop-epsilon-1e-7-inside-root",
        "with RMSprop's epsilon inside the root and 1e-7 by default",
        "sqrt(v + 1e-7): gradients below 3e-3 make much smaller steps.",
        (
            Patch("optim.adaptive", "np.sqrt(variance) + eps", "np.sqrt(variance + eps)", RMSPROP),
            other_default(RMSPROP, "eps", "1e-8", "1e-7"),
        ),
        seen_in=("Keras",),
    ),
    Divergence(
        "rmsprop-epsilon-1e-7",
        "with RMSprop's epsilon 1e-7 by default",
        "torch's default is 1e-8. Shows where gradients are as small as epsilon.",
        (other_default(RMSPROP, "eps", "1e-8", "1e-7"),),
    ),
    Divergence(
        "rmsprop-without-epsilon",
        "without RMSprop's epsilon",
        "A parameter that has only seen gradients of 0 becomes 0 / 0.",
        (Patch("optim.adaptive", "np.sqrt(variance) + eps", "np.sqrt(variance)", RMSPROP),),
    ),
    Divergence(
        "rmsprop-mean-square-starts-at-1",
        "with RMSprop's mean square starting at 1",
        "torch starts at 0. First steps are much smaller, as if large gradients had gone before.",
        (
            Patch(
                "optim.adaptive",
                '"square_avg": np.zeros_like(param)',
                '"square_avg": np.ones_like(param)',
                "RMSprop.first_state",
            ),
        ),
        seen_in=("TensorFlow v1", "autograd"),
    ),
    Divergence(
        "rmsprop-rate-inside-momentum",
        "with the learning rate inside RMSprop's momentum",
        "b <- momentum b + lr g / (...): the same while lr is constant, after a change the old rate lives on.",
        (
            Patch("optim.adaptive", "+ grad / denominator", "+ self.lr * grad / denominator", RMSPROP),
            Patch("optim.adaptive", "param - self.lr * buffer", "param - buffer", RMSPROP),
        ),
        seen_in=("Keras", "TensorFlow"),
    ),
    Divergence(
        "rmsprop-momentum-ignored",
        "without momentum in RMSprop's step",
        "The buffer is kept but never used.",
        (Patch("optim.adaptive", "self.lr * buffer", "self.lr * grad / denominator", RMSPROP),),
    ),
    Divergence(
        "rmsprop-centered-ignored",
        "with RMSprop not centered",
        "The mean gradient is kept but its square is not subtracted.",
        (Patch("optim.adaptive", "variance = variance - mean * mean", "variance = variance", RMSPROP),),
    ),
    Divergence(
        "rmsprop-mean-not-squared",
        "with the mean gradient itself, not its square, subtracted in centered RMSprop",
        "v - m in place of v - m^2: negative where gradients are small and positive, and the root is NaN.",
        (Patch("optim.adaptive", "variance - mean * mean", "variance - mean", RMSPROP),),
    ),
    Divergence(
        "rmsprop-squares-summed",
        "with g^2 in place of (1 - alpha) g^2 in RMSprop",
        "Half of the exponential average is forgotten: the mean square is 100 times too large.",
        (Patch("optim.adaptive", "(1 - alpha) * grad * grad", "grad * grad", RMSPROP),),
    ),
    Divergence(
        "rmsprop-alpha-swapped",
        "with alpha and 1 - alpha swapped in RMSprop",
        "The average nearly equals the last gradient's square.",
        (
            Patch("optim.adaptive", 'alpha * state["square_avg"]', '(1 - alpha) * state["square_avg"]', RMSPROP),
            Patch("optim.adaptive", "(1 - alpha) * grad * grad", "alpha * grad * grad", RMSPROP),
            Patch("optim.adaptive", "grad, 1 - alpha", "grad, alpha", RMSPROP),
        ),
    ),
    Divergence(
        "rmsprop-alpha-swapped-in-the-square",
        "with alpha and 1 - alpha swapped in RMSprop's mean square alone",
        "Centered, the mean gradient is averaged as it should be.",
        (
            Patch("optim.adaptive", 'alpha * state["square_avg"]', '(1 - alpha) * state["square_avg"]', RMSPROP),
            Patch("optim.adaptive", "(1 - alpha) * grad * grad", "alpha * grad * grad", RMSPROP),
        ),
    ),
    Divergence(
        "rmsprop-root-missing",
        "without the root in RMSprop's denominator",
        "g / (v + eps): the smaller the gradients, the larger the steps.",
        (Patch("optim.adaptive", "np.sqrt(variance)", "(variance)", RMSPROP),),
    ),
    *shared_by_all("RMSprop"),
    Divergence(
        "rmsprop-options-in-float32",
        "with RMSprop's options rounded to float32",
        FLOAT32_NOTE,
        (
            Patch(
                "optim.adaptive",
                "alpha, eps = self.alpha, self.eps",
                f"alpha, eps = {float32('self.alpha')}, {float32('self.eps')}",
                RMSPROP,
            ),
            Patch("optim.adaptive", "self.weight_decay * param", f"{float32('self.weight_decay')} * param", RMSPROP),
            Patch("optim.adaptive", "self.momentum * state", f"{float32('self.momentum')} * state", RMSPROP),
            Patch("optim.adaptive", "self.lr * buffer", f"{float32('self.lr')} * buffer", RMSPROP),
            Patch("optim.adaptive", "self.lr * grad", f"{float32('self.lr')} * grad", RMSPROP),
        ),
        seen_in=("Paddle", "MLX", "ONNX attributes"),
    ),
    # ------------------------------------------------------------------------------------------------ Adadelta
    Divergence(
        "adadelta-rho-0.95",
        "with Adadelta's rho 0.95 by default",
        "torch's default is 0.9.",
        (other_default(ADADELTA, "rho", "0.9", "0.95"),),
        seen_in=("Keras", "Paddle"),
    ),
    Divergence(
        "adadelta-epsilon-1e-7",
        "with Adadelta's epsilon 1e-7 by default",
        "torch's default is 1e-6: the first step is a third of torch's.",
        (other_default(ADADELTA, "eps", "1e-6", "1e-7"),),
        seen_in=("Keras",),
    ),
    Divergence(
        "adadelta-epsilon-outside-roots",
        "with Adadelta's epsilon outside both roots",
        "sqrt(u) + eps over sqrt(v) + eps: the first step is a thousandth of torch's.",
        (
            Patch(
                "optim.adaptive",
                DELTA,
                '(np.sqrt(state["acc_delta"]) + eps) / (np.sqrt(square_avg) + eps) * grad',
                ADADELTA,
            ),
        ),
    ),
    Divergence(
        "adadelta-without-epsilon-in-the-numerator",
        "without epsilon in Adadelta's numerator",
        "sqrt(u) with u = 0 at the start: nothing ever moves.",
        (Patch("optim.adaptive", 'state["acc_delta"] + eps', 'state["acc_delta"]', ADADELTA),),
    ),
    Divergence(
        "adadelta-without-numerator",
        "with 1 in place of Adadelta's numerator",
        "RMSprop: the step has no longer the units of the parameter.",
        (Patch("optim.adaptive", 'np.sqrt(state["acc_delta"] + eps) /', "1 /", ADADELTA),),
    ),
    Divergence(
        "adadelta-updates-from-gradients",
        "with the gradient's square in place of the step's in Adadelta's second average",
        "u averages d^2; with g^2 numerator and denominator are alike, and every step is g itself.",
        (Patch("optim.adaptive", "(1 - rho) * delta * delta", "(1 - rho) * grad * grad", ADADELTA),),
    ),
    Divergence(
        "adadelta-updates-with-rate",
        "with the learning rate inside Adadelta's average of steps",
        "u averages (lr d)^2: torch averages what the step is before lr.",
        (Patch("optim.adaptive", "(1 - rho) * delta * delta", "(1 - rho) * (self.lr * delta) ** 2", ADADELTA),),
    ),
    Divergence(
        "adadelta-square-of-the-step-before",
        "with Adadelta's step divided by the average before this gradient",
        "Two lines in the wrong order: the first step divides by sqrt(eps) alone.",
        (Patch("optim.adaptive", "np.sqrt(square_avg + eps)", 'np.sqrt(state["square_avg"] + eps)', ADADELTA),),
    ),
    Divergence(
        "adadelta-squares-summed",
        "with g^2 in place of (1 - rho) g^2 in Adadelta",
        "Half of the exponential average is forgotten.",
        (Patch("optim.adaptive", "(1 - rho) * grad * grad", "grad * grad", ADADELTA),),
    ),
    Divergence(
        "adadelta-rho-swapped",
        "with rho and 1 - rho swapped in Adadelta",
        "Both averages nearly equal the last square.",
        (
            Patch(
                "optim.adaptive",
                'rho * state["square_avg"] + (1 - rho)',
                '(1 - rho) * state["square_avg"] + rho',
                ADADELTA,
            ),
            Patch(
                "optim.adaptive",
                'rho * state["acc_delta"] + (1 - rho)',
                '(1 - rho) * state["acc_delta"] + rho',
                ADADELTA,
            ),
        ),
    ),
    Divergence(
        "adadelta-rate-ignored",
        "without Adadelta's learning rate",
        "The paper has none, and torch's default is 1: only another rate shows it.",
        (Patch("optim.adaptive", "self.lr * delta", "delta", ADADELTA),),
        seen_in=("the paper",),
    ),
    *shared_by_all("Adadelta"),
    Divergence(
        "adadelta-options-in-float32",
        "with Adadelta's options rounded to float32",
        FLOAT32_NOTE,
        (
            Patch(
                "optim.adaptive",
                "rho, eps = self.rho, self.eps",
                f"rho, eps = {float32('self.rho')}, {float32('self.eps')}",
                ADADELTA,
            ),
            Patch("optim.adaptive", "self.weight_decay * param", f"{float32('self.weight_decay')} * param", ADADELTA),
            Patch("optim.adaptive", "self.lr * delta", f"{float32('self.lr')} * delta", ADADELTA),
        ),
        seen_in=("Paddle", "MLX", "ONNX attributes"),
    ),
    # --------------------------------------------------------------------------------------------------- Rprop
    Divergence(
        "rprop-stale-gradient",
        "with the previous gradient's sign in Rprop's step",
        "The step is one gradient late, and the first one is 0.",
        (
            Patch(
                "optim.adaptive",
                SIGN,
                'np.where(state["prev"] > 0, 1.0, np.where(state["prev"] < 0, -1.0, 0.0))',
                RPROP,
            ),
        ),
        seen_in=("optax, a bug",),
    ),
    Divergence(
        "rprop-turn-not-forgotten",
        "with Rprop keeping and following a gradient whose sign turned",
        "torch sets it to 0: nothing moves in that step, and the next one neither grows nor shrinks.",
        (Patch("optim.adaptive", "grad = np.where(turned, 0, grad)", "grad = grad", RPROP),),
        seen_in=("plain Rprop, before Igel and Hüsken",),
    ),
    Divergence(
        "rprop-moves-where-the-sign-turned",
        "with Rprop moving where the sign turned, by the smaller step",
        "The gradient is forgotten for the next comparison only.",
        (
            Patch("optim.adaptive", "grad = np.where(turned, 0, grad)", "kept = np.where(turned, 0, grad)", RPROP),
            Patch("optim.adaptive", '"prev": grad', '"prev": kept', RPROP),
        ),
    ),
    Divergence(
        "rprop-turn-remembered",
        "with Rprop comparing with a gradient whose sign turned",
        "Nothing moves where the sign turned, but the next step grows or shrinks all the same.",
        (
            Patch(
                "optim.adaptive", "        turned = agreement < 0", "        given, turned = grad, agreement < 0", RPROP
            ),
            Patch("optim.adaptive", '"prev": grad', '"prev": given', RPROP),
        ),
    ),
    Divergence(
        "rprop-grows-without-agreement",
        "with Rprop's step growing where the product of gradients is 0",
        ">= in place of >: the first step, and every one after a turn, is eta_plus too large.",
        (Patch("optim.adaptive", "agreement > 0", "agreement >= 0", RPROP),),
    ),
    Divergence(
        "rprop-etas-swapped",
        "with eta_minus and eta_plus swapped in Rprop",
        "Steps grow where the sign turned and shrink where it did not.",
        (Patch("optim.adaptive", "(eta_minus, eta_plus),", "(eta_plus, eta_minus),", RPROP),),
    ),
    Divergence(
        "rprop-step-not-bounded-below",
        "without the smallest step size in Rprop",
        "The option is accepted and does nothing.",
        (
            Patch(
                "optim.adaptive", 'np.maximum(eta * state["step_size"], smallest)', '(eta * state["step_size"])', RPROP
            ),
        ),
    ),
    Divergence(
        "rprop-step-not-bounded-above",
        "without the largest step size in Rprop",
        "The option is accepted and does nothing.",
        (Patch("optim.adaptive", "largest)\n", "np.inf)\n", RPROP),),
    ),
    Divergence(
        "rprop-moves-by-the-gradient",
        "with the gradient itself in place of its sign in Rprop's step",
        "Rprop is there to be rid of the gradient's size.",
        (Patch("optim.adaptive", "sign * step_size", "grad * step_size", RPROP),),
    ),
    Divergence(
        "rprop-old-step-size",
        "with Rprop's step size from before its adaptation",
        "Two lines in the wrong order: growth and shrinking come one step late.",
        (Patch("optim.adaptive", "sign * step_size", 'sign * state["step_size"]', RPROP),),
    ),
    Divergence(
        "rprop-rate-multiplies-every-step",
        "with Rprop's step sizes starting at 1 and multiplied by the learning rate",
        "lr is the first step's size and has no effect afterwards: as a factor it also scales the bounds, and a change "
        "in mid-run acts.",
        (
            Patch("optim.adaptive", "np.full_like(param, self.lr)", "np.ones_like(param)", "Rprop.first_state"),
            Patch("optim.adaptive", "sign * step_size", "self.lr * sign * step_size", RPROP),
        ),
    ),
    Divergence(
        "rprop-maximize-ignored",
        "with Rprop minimizing whatever maximize says",
        "The option is accepted and does nothing.",
        (Patch("optim.adaptive", "grad = -grad", "grad = grad", RPROP),),
    ),
    Divergence(
        "rprop-options-in-float32",
        "with Rprop's options rounded to float32",
        FLOAT32_NOTE,
        (
            Patch(
                "optim.adaptive",
                "np.full_like(param, self.lr)",
                f"np.full_like(param, {float32('self.lr')})",
                "Rprop.first_state",
            ),
            Patch(
                "optim.adaptive",
                "        agreement =",
                "        eta_minus, eta_plus, smallest, largest = map("
                "lambda value: float(np.float32(value)), (eta_minus, eta_plus, smallest, largest))\n"
                "        agreement =",
                RPROP,
            ),
        ),
        seen_in=("Paddle", "MLX", "ONNX attributes"),
    ),
)
