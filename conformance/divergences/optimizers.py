"""Mistakes in SGD and in what all optimizers share, and other frameworks' dialects of them.

A default that differs from torch's is a patch of the formula, because a case gives every option: it takes the
other value where the option has torch's default, and so shows in the cases that leave it there.
"""

from __future__ import annotations

from conformance.divergences.divergence import Divergence
from conformance.divergences.patching import Patch
from reference import optim

SGD = "SGD.update"

BEFORE = "before = entries or self.first_state(param)"
STORED = "new_params[name], new_state[name] = param, entries"
WEIGHT_DECAY = "grad = grad + self.weight_decay * param"
DAMPED = "grad if self.dampening == 0 else (1 - self.dampening) * grad"
DECOUPLED = "param = param * (1 - self.lr * self.weight_decay)"

FLOAT32_NOTE = (
    "Gradients and parameters are float64, but the learning rate and the other options pass through float32: 0.1 "
    "becomes 0.10000000149. The error, 1e-8 to 1e-7, looks like rounding and is not."
)


def module_of(function: str) -> str:
    """Where a method of an optimizer is defined, as a patch names it: ``optim.adam`` for ``Adam.update``."""
    module: str = getattr(optim, function.partition(".")[0]).__module__
    return module.removeprefix("reference.")


def float32(value: str) -> str:
    """The expression, rounded to float32."""
    return f"float(np.float32({value}))"


def other_default(function: str, option: str, default: str, value: str) -> Patch:
    """``value`` where the option has torch's default."""
    return Patch(
        module_of(function), f"self.{option}", f"({value} if self.{option} == {default} else self.{option})", function
    )


def shared_by_all(algorithm: str) -> tuple[Divergence, ...]:
    """Mistakes in ``maximize`` and in the weight decay that is added to the gradient."""
    prefix, function = algorithm.lower(), f"{algorithm}.update"

    def decay(id: str, title: str, note: str, wrong: str, *seen_in: str) -> Divergence:
        return Divergence(
            f"{prefix}-weight-decay-{id}",
            title,
            note,
            (Patch(module_of(function), WEIGHT_DECAY, wrong, function),),
            seen_in,
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
            "The gradient of lambda ||theta||^2 is 2 lambda theta; torch's weight_decay is that of lambda/2 "
            "||theta||^2.",
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
            (Patch(module_of(function), "grad = -grad", "grad = grad", function),),
        ),
        Divergence(
            f"{prefix}-maximize-after-weight-decay",
            f"with {algorithm}'s gradient negated after weight decay was added",
            "maximize then turns the decay round as well, and weights grow.",
            (
                Patch(
                    module_of(function),
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
        (Patch("optim.base", "grads.get(name)", "grads.get(name, np.zeros_like(param))", "Optimizer.step"),),
        seen_in=("torch's zero_grad(set_to_none=False)",),
    ),
    Divergence(
        "steps-the-wrong-way",
        "with the step added to the parameters in place of subtracted",
        "The loss rises. State and step are those of the right direction, which tells it from maximize.",
        (
            Patch(
                "optim.base",
                STORED,
                STORED.replace("param, entries", "(param if grad is None else 2 * params[name] - param), entries"),
                "Optimizer.step",
            ),
        ),
    ),
    Divergence(
        "count-shared-by-parameters",
        "with one step count that every parameter's update advances",
        "The count belongs to the optimizer and is incremented where a parameter is updated: with n parameters, bias "
        "correction and decaying rates run n times as fast, each parameter one count ahead of the one before it.",
        (
            Patch(
                "optim.base",
                BEFORE,
                f"{BEFORE}\n"
                "                if 'step' in before:\n"
                "                    counted = len(params) * before['step'] + len(new_params)\n"
                "                    before = before | {'step': np.asarray(counted, before['step'].dtype)}",
                "Optimizer.step",
            ),
            Patch(
                "optim.base",
                STORED,
                "if grad is not None and 'step' in entries:\n"
                "                counted = (entries['step'] - len(new_params) - 1) / len(params) + 1\n"
                "                entries['step'] = np.asarray(counted, entries['step'].dtype)\n"
                f"            {STORED}",
                "Optimizer.step",
            ),
        ),
        seen_in=("self.t += 1 in a method that is called layer by layer",),
    ),
    Divergence(
        "parameters-never-moved",
        "with the parameters left as they are in every step",
        "p = p - lr g gives a local name a new array: the caller's parameter does not change. The state does.",
        (Patch("optim.base", STORED, STORED.replace("= param,", "= params[name],"), "Optimizer.step"),),
    ),
    # ----------------------------------------------------------------------------------------------------- SGD
    Divergence(
        "sgd-rate-inside-velocity",
        "with the learning rate inside SGD's velocity",
        "v <- momentum v + lr g; theta <- theta - v. Parameters are the same while lr is constant; after a change the "
        "old rate lives on in the velocity.",
        (
            Patch("optim.sgd", DAMPED, "(1 - self.dampening) * self.lr * grad", SGD),
            Patch("optim.sgd", "buffer = grad.copy()", "buffer = self.lr * grad", SGD),
            Patch("optim.sgd", "direction = grad\n", "direction = self.lr * grad\n", SGD),
            Patch("optim.sgd", "direction = grad + self", "direction = self.lr * grad + self", SGD),
            Patch("optim.sgd", "param + -self.lr * direction", "param - direction", SGD),
        ),
        seen_in=("notebook N11", "Keras", "TensorFlow", "zero-kara"),
    ),
    Divergence(
        "sgd-velocity-downwards",
        "with the learning rate and the sign inside SGD's velocity",
        "v <- momentum v - lr g; theta <- theta + v. Parameters are the same while lr is constant; the state "
        "points the other way.",
        (
            Patch("optim.sgd", 'state["momentum_buffer"] + damped', 'state["momentum_buffer"] - self.lr * damped', SGD),
            Patch("optim.sgd", "buffer = grad.copy()", "buffer = -self.lr * grad", SGD),
            Patch("optim.sgd", "direction = grad\n", "direction = -self.lr * grad\n", SGD),
            Patch("optim.sgd", "direction = grad + self", "direction = -self.lr * grad + self", SGD),
            Patch("optim.sgd", "param + -self.lr * direction", "param + direction", SGD),
        ),
        seen_in=("textbooks that add the velocity",),
    ),
    Divergence(
        "sgd-momentum-ignored",
        "without momentum in SGD's step",
        "The velocity is kept but never used.",
        (
            Patch(
                "optim.sgd",
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
            Patch("optim.sgd", DAMPED, "(1 - self.momentum) * grad", SGD),
            Patch("optim.sgd", "buffer = grad.copy()", "buffer = (1 - self.momentum) * grad", SGD),
        ),
    ),
    Divergence(
        "sgd-dampening-on-the-first-step",
        "with dampening applied on SGD's first step",
        "torch starts the velocity with the whole gradient and dampens from the second step on.",
        (Patch("optim.sgd", "buffer = grad.copy()", "buffer = (1 - self.dampening) * grad", SGD),),
        seen_in=("MLX",),
    ),
    Divergence(
        "sgd-dampening-ignored",
        "without dampening in SGD",
        "The option is accepted and does nothing.",
        (Patch("optim.sgd", "(1 - self.dampening) * grad", "grad", SGD),),
    ),
    Divergence(
        "sgd-nesterov-without-the-gradient",
        "with the velocity alone in SGD's Nesterov form",
        "momentum v in place of g + momentum v.",
        (
            Patch(
                "optim.sgd",
                "direction = grad + self.momentum * buffer if self.nesterov else buffer",
                "direction = self.momentum * buffer if self.nesterov else buffer",
                SGD,
            ),
        ),
    ),
    Divergence(
        "sgd-nesterov-without-the-factor",
        "with the whole velocity added in SGD's Nesterov form",
        "g + v in place of g + momentum v.",
        (
            Patch(
                "optim.sgd",
                "direction = grad + self.momentum * buffer if self.nesterov else buffer",
                "direction = grad + buffer if self.nesterov else buffer",
                SGD,
            ),
        ),
    ),
    Divergence(
        "sgd-momentum-as-average-after-the-first-gradient",
        "with SGD's velocity an average of gradients that starts with the first one",
        "v <- momentum v + (1 - momentum) g from the second step on, which makes steps shorter by 1 - momentum.",
        (Patch("optim.sgd", DAMPED, "(1 - self.momentum) * grad", SGD),),
    ),
    Divergence(
        "sgd-nesterov-ignored",
        "with classical momentum where Nesterov's was asked for",
        "The option is accepted and does nothing.",
        (
            Patch(
                "optim.sgd",
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
                "optim.sgd",
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
            Patch("optim.sgd", WEIGHT_DECAY, "grad = grad", SGD),
            Patch(
                "optim.sgd",
                "param + -self.lr * direction",
                "(param + -self.lr * direction) * (1 - self.lr * self.weight_decay)",
                SGD,
            ),
        ),
    ),
    Divergence(
        "sgd-options-in-float32",
        "with SGD's options rounded to float32",
        FLOAT32_NOTE,
        (
            Patch("optim.sgd", "self.weight_decay * param", f"{float32('self.weight_decay')} * param", SGD),
            Patch("optim.sgd", "self.momentum * state", f"{float32('self.momentum')} * state", SGD),
            Patch("optim.sgd", "1 - self.dampening", f"1 - {float32('self.dampening')}", SGD),
            Patch("optim.sgd", "self.momentum * buffer", f"{float32('self.momentum')} * buffer", SGD),
            Patch("optim.sgd", "self.lr * direction", f"{float32('self.lr')} * direction", SGD),
        ),
        seen_in=("Paddle", "MLX", "ONNX attributes"),
    ),
    Divergence(
        "sgd-velocity-is-the-gradient",
        "with SGD's momentum buffer and the gradient in one array",
        "The first gradient is kept, not a copy of it: the next one is written over the velocity, and then added to "
        "itself.",
        (
            Patch(
                "optim.sgd",
                'buffer = self.momentum * state["momentum_buffer"] + damped',
                'buffer = self.momentum * state["momentum_buffer"] + damped\n'
                "                if self.weight_decay == 0 and not self.maximize:\n"
                "                    grad = self.momentum * grad\n"
                "                    grad = buffer = grad + (1 - self.dampening) * grad",
                SGD,
            ),
        ),
        seen_in=("buf = grad without clone(), zero_grad in place",),
    ),
)
