"""Mistakes in SGD, Adagrad and RMSprop, in what all optimizers share, and other frameworks' dialects of them.

A default that differs from torch's is a patch of the formula, because a case gives every option: it takes the
other value where the option has torch's default, and so shows in the cases that leave it there.
"""

from __future__ import annotations

from conformance.divergences.divergence import Divergence
from conformance.divergences.patching import Patch

SGD = "SGD.update"
ADAGRAD = "Adagrad.update"
RMSPROP = "RMSprop.update"

WEIGHT_DECAY = "grad = grad + self.weight_decay * param"
DECOUPLED = "param = param * (1 - self.lr * self.weight_decay)"

FLOAT32_NOTE = (
    "Gradients and parameters are float64, but the learning rate and the other options pass through float32: 0.1 "
    "becomes 0.10000000149. The error, 1e-8 to 1e-7, looks like rounding and is not."
)


def float32(value: str) -> str:
    """The expression, rounded to float32."""
    return f"float(np.float32({value}))"


def other_default(function: str, option: str, default: str, value: str) -> Patch:
    """``value`` where the option has torch's default."""
    return Patch("optim", f"self.{option}", f"({value} if self.{option} == {default} else self.{option})", function)


def shared_by_all(algorithm: str) -> tuple[Divergence, ...]:
    """Mistakes in ``maximize`` and in the weight decay that is added to the gradient."""
    prefix, function = algorithm.lower(), f"{algorithm}.update"

    def decay(id: str, title: str, note: str, wrong: str, *seen_in: str) -> Divergence:
        return Divergence(
            f"{prefix}-weight-decay-{id}", title, note, (Patch("optim", WEIGHT_DECAY, wrong, function),), seen_in
        )

    return (
        decay(
            "ignored",
            f"without weight decay in {algorithm}",
            "The option is accepted and does nothing.",
            "grad = grad",
        ),
        decay(
            "sign",
            f"with weight decay subtracted from the gradient in {algorithm}",
            "Weights are driven away from 0 instead of towards it.",
            "grad = grad - self.weight_decay * param",
        ),
        decay(
            "doubled",
            f"with twice the weight decay in {algorithm}",
            "The gradient of lambda ||theta||^2 is 2 lambda theta; torch's weight_decay is that of lambda/2 ||theta||^2.",
            "grad = grad + 2 * self.weight_decay * param",
            "an L2 penalty without the factor 1/2",
        ),
        decay(
            "decoupled",
            f"with {algorithm}'s weight decay applied to the parameter, not to the gradient",
            "theta <- theta - lr lambda theta keeps the decay out of the velocity and the averages. Plain SGD cannot "
            "tell the two apart; with momentum, or a rate that adapts, they are different algorithms.",
            DECOUPLED,
            "Keras",
        ),
        Divergence(
            f"{prefix}-maximize-ignored",
            f"with {algorithm} minimizing whatever maximize says",
            "The option is accepted and does nothing.",
            (Patch("optim", "grad = -grad", "grad = grad", function),),
        ),
        Divergence(
            f"{prefix}-maximize-after-weight-decay",
            f"with {algorithm}'s gradient negated after weight decay was added",
            "maximize then turns the decay round as well, and weights grow.",
            (
                Patch(
                    "optim",
                    "self.weight_decay * param",
                    "(-self.weight_decay if self.maximize else self.weight_decay) * param",
                    function,
                ),
            ),
        ),
    )


DIVERGENCES: tuple[Divergence, ...] = (
    Divergence(
        "missing-gradient-as-zeros",
        "with zeros in place of a missing gradient",
        "Without a gradient torch leaves a parameter and its state alone. With zeros the averages decay, the steps are "
        "counted, momentum and weight decay go on moving the parameter.",
        (Patch("optim", "grads.get(name)", "grads.get(name, np.zeros_like(param))", "Optimizer.step"),),
        seen_in=("torch's zero_grad(set_to_none=False)",),
    ),
    # ----------------------------------------------------------------------------------------------------- SGD
    Divergence(
        "sgd-rate-inside-velocity",
        "with the learning rate inside SGD's velocity",
        "v <- momentum v + lr g; theta <- theta - v. Parameters are the same while lr is constant; after a change the old "
        "rate lives on in the velocity.",
        (
            Patch("optim", "(1 - self.dampening) * grad", "(1 - self.dampening) * self.lr * grad", SGD),
            Patch("optim", "buffer = grad.copy()", "buffer = self.lr * grad", SGD),
            Patch("optim", "direction = grad\n", "direction = self.lr * grad\n", SGD),
            Patch("optim", "direction = grad + self", "direction = self.lr * grad + self", SGD),
            Patch("optim", "param - self.lr * direction", "param - direction", SGD),
        ),
        seen_in=("notebook N11", "Keras", "TensorFlow", "zero-kara"),
    ),
    Divergence(
        "sgd-momentum-ignored",
        "without momentum in SGD's step",
        "The velocity is kept but never used.",
        (
            Patch(
                "optim",
                "direction = grad + self.momentum * buffer if self.nesterov else buffer",
                "direction = grad",
                SGD,
            ),
        ),
    ),
    Divergence(
        "sgd-momentum-as-average",
        "with SGD's velocity as an average, (1 - momentum) g in place of g",
        "The exponential average of Adam's first moment. Steps are smaller by the factor 1 - momentum in the long run.",
        (
            Patch("optim", "(1 - self.dampening) * grad", "(1 - self.momentum) * grad", SGD),
            Patch("optim", "buffer = grad.copy()", "buffer = (1 - self.momentum) * grad", SGD),
        ),
    ),
    Divergence(
        "sgd-dampening-on-the-first-step",
        "with dampening applied on SGD's first step",
        "torch starts the velocity with the whole gradient and dampens from the second step on.",
        (Patch("optim", "buffer = grad.copy()", "buffer = (1 - self.dampening) * grad", SGD),),
        seen_in=("MLX",),
    ),
    Divergence(
        "sgd-dampening-ignored",
        "without dampening in SGD",
        "The option is accepted and does nothing.",
        (Patch("optim", "(1 - self.dampening) * grad", "grad", SGD),),
    ),
    Divergence(
        "sgd-nesterov-ignored",
        "with classical momentum where Nesterov's was asked for",
        "The option is accepted and does nothing.",
        (
            Patch(
                "optim",
                "direction = grad + self.momentum * buffer if self.nesterov else buffer",
                "direction = buffer",
                SGD,
            ),
        ),
    ),
    Divergence(
        "sgd-nesterov-with-updated-velocity",
        "with Nesterov's step computed from the velocity after its update",
        "(1 + momentum) g + momentum^2 v is right with the velocity v from before the step: after it, momentum counts "
        "once too often. One line in the wrong order.",
        (
            Patch(
                "optim",
                "grad + self.momentum * buffer",
                "(1 + self.momentum) * grad + self.momentum**2 * buffer",
                SGD,
            ),
        ),
        seen_in=("Chainer", "zero-kara 2, one line moved"),
    ),
    *shared_by_all("SGD"),
    Divergence(
        "sgd-weight-decay-after-the-update",
        "with weight decay applied to SGD's new parameter",
        "The decay acts on theta after the step, neither on the gradient nor on theta before it.",
        (
            Patch("optim", WEIGHT_DECAY, "grad = grad", SGD),
            Patch(
                "optim",
                "param - self.lr * direction",
                "(param - self.lr * direction) * (1 - self.lr * self.weight_decay)",
                SGD,
            ),
        ),
    ),
    Divergence(
        "sgd-options-in-float32",
        "with SGD's options rounded to float32",
        FLOAT32_NOTE,
        (
            Patch("optim", "self.weight_decay * param", f"{float32('self.weight_decay')} * param", SGD),
            Patch("optim", "self.momentum * state", f"{float32('self.momentum')} * state", SGD),
            Patch("optim", "1 - self.dampening", f"1 - {float32('self.dampening')}", SGD),
            Patch("optim", "self.momentum * buffer", f"{float32('self.momentum')} * buffer", SGD),
            Patch("optim", "self.lr * direction", f"{float32('self.lr')} * direction", SGD),
        ),
        seen_in=("Paddle", "MLX", "ONNX attributes"),
    ),
    # ------------------------------------------------------------------------------------------------- Adagrad
    Divergence(
        "adagrad-epsilon-inside-root",
        "with Adagrad's epsilon inside the root",
        "sqrt(s + eps) in place of sqrt(s) + eps: with gradients near 1 nobody sees it, with small ones the steps are "
        "another size.",
        (Patch("optim", "np.sqrt(total) + eps", "np.sqrt(total + eps)", ADAGRAD),),
    ),
    Divergence(
        "adagrad-epsilon-1e-7-inside-root",
        "with Adagrad's epsilon inside the root and 1e-7 by default",
        "sqrt(s + 1e-7): gradients below 3e-4 hardly move anything at first, where torch's first step is lr whatever the "
        "gradient.",
        (
            Patch("optim", "np.sqrt(total) + eps", "np.sqrt(total + eps)", ADAGRAD),
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
        (Patch("optim", "np.sqrt(total) + eps", "np.sqrt(total)", ADAGRAD),),
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
        (Patch("optim", "self.initial_accumulator_value", "0", "Adagrad.initial_state"),),
    ),
    Divergence(
        "adagrad-squares-not-accumulated",
        "with the last gradient's square in place of Adagrad's sum",
        "Assigned instead of added: every step is lr in the direction of the gradient's sign.",
        (Patch("optim", 'state["sum"] + grad * grad', "grad * grad", ADAGRAD),),
    ),
    Divergence(
        "adagrad-sum-before-this-gradient",
        "with Adagrad's step divided by the sum before this gradient was added",
        "Two lines in the wrong order: the first step divides by epsilon alone.",
        (Patch("optim", "np.sqrt(total)", 'np.sqrt(state["sum"])', ADAGRAD),),
    ),
    Divergence(
        "adagrad-root-missing",
        "without the root in Adagrad's denominator",
        "g / (s + eps): the smaller the gradients, the larger the steps.",
        (Patch("optim", "np.sqrt(total)", "total", ADAGRAD),),
    ),
    Divergence(
        "adagrad-rate-decay-ignored",
        "without Adagrad's lr_decay",
        "The option is accepted and does nothing.",
        (Patch("optim", "self.lr / (1 + (float(step) - 1) * self.lr_decay)", "self.lr", ADAGRAD),),
    ),
    Divergence(
        "adagrad-rate-decay-one-step-ahead",
        "with Adagrad's rate decayed from the first step on",
        "torch divides by 1 + (t - 1) lr_decay: the first step has the whole rate.",
        (Patch("optim", "(float(step) - 1)", "float(step)", ADAGRAD),),
    ),
    *shared_by_all("Adagrad"),
    Divergence(
        "adagrad-options-in-float32",
        "with Adagrad's options rounded to float32",
        FLOAT32_NOTE,
        (
            Patch("optim", "eps = self.eps", f"eps = {float32('self.eps')}", ADAGRAD),
            Patch("optim", "self.weight_decay * param", f"{float32('self.weight_decay')} * param", ADAGRAD),
            Patch("optim", "lr = self.lr", f"lr = {float32('self.lr')}", ADAGRAD),
            Patch("optim", "* self.lr_decay", f"* {float32('self.lr_decay')}", ADAGRAD),
            Patch(
                "optim",
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
        (Patch("optim", "np.sqrt(variance) + eps", "np.sqrt(variance + eps)", RMSPROP),),
        seen_in=("optax",),
    ),
    Divergence(
        "rmsprop-epsilon-1e-7-inside-root",
        "with RMSprop's epsilon inside the root and 1e-7 by default",
        "sqrt(v + 1e-7): gradients below 3e-3 make much smaller steps.",
        (
            Patch("optim", "np.sqrt(variance) + eps", "np.sqrt(variance + eps)", RMSPROP),
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
        (Patch("optim", "np.sqrt(variance) + eps", "np.sqrt(variance)", RMSPROP),),
    ),
    Divergence(
        "rmsprop-mean-square-starts-at-1",
        "with RMSprop's mean square starting at 1",
        "torch starts at 0. First steps are much smaller, as if large gradients had gone before.",
        (
            Patch(
                "optim",
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
            Patch("optim", "grad / denominator", "self.lr * grad / denominator", RMSPROP),
            Patch("optim", "param - self.lr * direction", "param - direction", RMSPROP),
        ),
        seen_in=("Keras", "TensorFlow"),
    ),
    Divergence(
        "rmsprop-momentum-ignored",
        "without momentum in RMSprop's step",
        "The buffer is kept but never used.",
        (Patch("optim", 'direction = new["momentum_buffer"]', 'new["momentum_buffer"]', RMSPROP),),
    ),
    Divergence(
        "rmsprop-centered-ignored",
        "with RMSprop not centered",
        "The mean gradient is kept but its square is not subtracted.",
        (Patch("optim", "variance = variance - mean * mean", "variance = variance", RMSPROP),),
    ),
    Divergence(
        "rmsprop-mean-not-squared",
        "with the mean gradient itself, not its square, subtracted in centered RMSprop",
        "v - m in place of v - m^2: negative where gradients are small and positive, and the root is NaN.",
        (Patch("optim", "variance - mean * mean", "variance - mean", RMSPROP),),
    ),
    Divergence(
        "rmsprop-squares-summed",
        "with g^2 in place of (1 - alpha) g^2 in RMSprop",
        "Half of the exponential average is forgotten: the mean square is 100 times too large.",
        (Patch("optim", "(1 - alpha) * grad * grad", "grad * grad", RMSPROP),),
    ),
    Divergence(
        "rmsprop-alpha-swapped",
        "with alpha and 1 - alpha swapped in RMSprop",
        "The average nearly equals the last gradient's square.",
        (
            Patch("optim", 'alpha * state["square_avg"]', '(1 - alpha) * state["square_avg"]', RMSPROP),
            Patch("optim", "(1 - alpha) * grad * grad", "alpha * grad * grad", RMSPROP),
            Patch("optim", 'alpha * state["grad_avg"]', '(1 - alpha) * state["grad_avg"]', RMSPROP),
            Patch("optim", "(1 - alpha) * grad\n", "alpha * grad\n", RMSPROP),
        ),
    ),
    Divergence(
        "rmsprop-root-missing",
        "without the root in RMSprop's denominator",
        "g / (v + eps): the smaller the gradients, the larger the steps.",
        (Patch("optim", "np.sqrt(variance)", "variance", RMSPROP),),
    ),
    *shared_by_all("RMSprop"),
    Divergence(
        "rmsprop-options-in-float32",
        "with RMSprop's options rounded to float32",
        FLOAT32_NOTE,
        (
            Patch(
                "optim",
                "alpha, eps = self.alpha, self.eps",
                f"alpha, eps = {float32('self.alpha')}, {float32('self.eps')}",
                RMSPROP,
            ),
            Patch("optim", "self.weight_decay * param", f"{float32('self.weight_decay')} * param", RMSPROP),
            Patch("optim", "self.momentum * state", f"{float32('self.momentum')} * state", RMSPROP),
            Patch("optim", "self.lr * direction", f"{float32('self.lr')} * direction", RMSPROP),
        ),
        seen_in=("Paddle", "MLX", "ONNX attributes"),
    ),
)
