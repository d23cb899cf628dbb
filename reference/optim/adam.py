"""Adam and its kin: two moments of the gradient."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from reference.checks import Array
from reference.optim.base import ZERO_STEPS, Optimizer, ParamState, check_at_least_zero, check_betas, count
from reference.optim.lerp import lerp


@dataclass(frozen=True)
class Adam(Optimizer):
    """Adam (Kingma and Ba 2015), with AMSGrad (Reddi, Kale and Kumar 2018).

        theta <- theta - gamma lambda theta  if decoupled, else g <- g + lambda theta
        m <- beta1 m + (1 - beta1) g
        v <- beta2 v + (1 - beta2) g^2
        v_max <- max(v_max, v), used in place of v below     (amsgrad: the maximum before bias correction)
        theta <- theta - gamma / (1 - beta1^t) m / (sqrt(v) / sqrt(1 - beta2^t) + epsilon)

    Epsilon is added after bias correction; the "epsilon hat" form of several frameworks adds it before.
    State: ``step``, ``exp_avg``, ``exp_avg_sq``, with amsgrad ``max_exp_avg_sq``.

    Raises:
        ValueError: ``lr``, ``eps`` or ``weight_decay`` is not at least 0, or ``betas`` are not two floats in [0, 1).
    """

    lr: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0
    amsgrad: bool = False
    maximize: bool = False
    decoupled_weight_decay: bool = False

    def check_own(self) -> None:
        check_at_least_zero(learning_rate=self.lr, epsilon=self.eps, weight_decay=self.weight_decay)
        check_betas(self.betas)
        if not all(isinstance(beta, float) for beta in self.betas):
            raise ValueError(f"betas must be floats, got {self.betas}")

    def first_state(self, param: Array) -> ParamState:
        state = {"step": ZERO_STEPS.copy(), "exp_avg": np.zeros_like(param), "exp_avg_sq": np.zeros_like(param)}
        if self.amsgrad:
            state["max_exp_avg_sq"] = np.zeros_like(param)
        return state

    def update(self, param: Array, grad: Array, state: ParamState) -> tuple[Array, ParamState]:
        (beta1, beta2), eps = self.betas, self.eps
        step = count(state["step"])
        t = float(step)
        if self.maximize:
            grad = -grad
        if self.weight_decay != 0:
            if self.decoupled_weight_decay:
                param = param * (1 - self.lr * self.weight_decay)
            else:
                grad = grad + self.weight_decay * param
        bias_correction1 = 1 - beta1**t
        bias_correction2 = 1 - beta2**t
        exp_avg = lerp(state["exp_avg"], grad, 1 - beta1)
        exp_avg_sq = beta2 * state["exp_avg_sq"] + (1 - beta2) * grad * grad
        # the maximum, too, where this step does not need it: another one may, as in torch
        new = state | {"step": step, "exp_avg": exp_avg, "exp_avg_sq": exp_avg_sq}
        if self.amsgrad:
            exp_avg_sq = new["max_exp_avg_sq"] = np.maximum(state["max_exp_avg_sq"], exp_avg_sq)
        denominator = np.sqrt(exp_avg_sq) / bias_correction2**0.5 + eps
        return param - self.lr / bias_correction1 * exp_avg / denominator, new


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam whose weight decay is always decoupled (Loshchilov and Hutter 2019).

    The decay is multiplied by the rate, and its default is not 0.

    Raises:
        ValueError: as ``Adam``.
    """

    weight_decay: float = 1e-2
    decoupled_weight_decay: bool = field(default=True, init=False)


@dataclass(frozen=True)
class Adamax(Optimizer):
    """Adamax (Kingma and Ba 2015, section 7.1): Adam with the infinity norm in place of the second moment.

        g <- g + lambda theta
        m <- beta1 m + (1 - beta1) g
        u <- max(beta2 u, |g| + epsilon)
        theta <- theta - gamma / (1 - beta1^t) m / u

    Epsilon is added to the new gradient, inside the maximum; the maximum needs no bias correction.
    State: ``step``, ``exp_avg``, ``exp_inf``.

    Raises:
        ValueError: ``lr``, ``eps`` or ``weight_decay`` is not at least 0, or ``betas`` are not two numbers in [0, 1).
    """

    lr: float = 2e-3
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0
    maximize: bool = False

    def check_own(self) -> None:
        check_at_least_zero(learning_rate=self.lr, epsilon=self.eps, weight_decay=self.weight_decay)
        check_betas(self.betas)

    def first_state(self, param: Array) -> ParamState:
        return {"step": ZERO_STEPS.copy(), "exp_avg": np.zeros_like(param), "exp_inf": np.zeros_like(param)}

    def update(self, param: Array, grad: Array, state: ParamState) -> tuple[Array, ParamState]:
        (beta1, beta2), eps = self.betas, self.eps
        step = count(state["step"])
        t = float(step)
        if self.maximize:
            grad = -grad
        if self.weight_decay != 0:
            grad = grad + self.weight_decay * param
        bias_correction = 1 - beta1**t
        exp_avg = lerp(state["exp_avg"], grad, 1 - beta1)
        exp_inf = np.maximum(beta2 * state["exp_inf"], np.abs(grad) + eps)
        new = {"step": step, "exp_avg": exp_avg, "exp_inf": exp_inf}
        return param - self.lr / bias_correction * exp_avg / exp_inf, new


@dataclass(frozen=True)
class NAdam(Optimizer):
    """NAdam (Dozat 2016): Adam with Nesterov's momentum, whose coefficient warms up.

        theta <- theta - gamma lambda theta  if decoupled, else g <- g + lambda theta
        mu_t <- beta1 (1 - 0.5 * 0.96^(t psi))               (psi = momentum_decay)
        mu_{t+1} <- beta1 (1 - 0.5 * 0.96^((t + 1) psi))
        p <- p mu_t                                          (from 1)
        m <- beta1 m + (1 - beta1) g
        v <- beta2 v + (1 - beta2) g^2
        w <- sqrt(v / (1 - beta2^t)) + epsilon
        theta <- theta - gamma (1 - mu_t) / (1 - p) g / w - gamma mu_{t+1} / (1 - p mu_{t+1}) m / w

    The product p is float32 whatever the parameters' dtype, as torch keeps its scalars (unless torch's default
    dtype is float64): it differs from a float64 product by 6e-8 a step.
    State: ``step``, ``mu_product``, ``exp_avg``, ``exp_avg_sq``.

    Raises:
        ValueError: ``lr``, ``eps``, ``weight_decay`` or ``momentum_decay`` is not at least 0, or ``betas`` are not two
            numbers in [0, 1).
    """

    lr: float = 2e-3
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0
    momentum_decay: float = 4e-3
    decoupled_weight_decay: bool = False
    maximize: bool = False

    def check_own(self) -> None:
        check_at_least_zero(
            learning_rate=self.lr,
            epsilon=self.eps,
            weight_decay=self.weight_decay,
            momentum_decay=self.momentum_decay,
        )
        check_betas(self.betas)

    def first_state(self, param: Array) -> ParamState:
        return {
            "step": ZERO_STEPS.copy(),
            "mu_product": np.ones((), dtype=np.float32),
            "exp_avg": np.zeros_like(param),
            "exp_avg_sq": np.zeros_like(param),
        }

    def update(self, param: Array, grad: Array, state: ParamState) -> tuple[Array, ParamState]:
        (beta1, beta2), eps = self.betas, self.eps
        step = count(state["step"])
        t = float(step)
        if self.maximize:
            grad = -grad
        if self.weight_decay != 0:
            if self.decoupled_weight_decay:
                param = param * (1 - self.lr * self.weight_decay)
            else:
                grad = grad + self.weight_decay * param
        bias_correction2 = 1 - beta2**t
        mu = beta1 * (1 - 0.5 * 0.96 ** (t * self.momentum_decay))
        mu_next = beta1 * (1 - 0.5 * 0.96 ** ((t + 1) * self.momentum_decay))
        dtype = state["mu_product"].dtype  # float32, and the parameter's after a state was loaded
        mu_product = np.array(state["mu_product"] * dtype.type(mu), dtype=dtype)
        product = float(mu_product)
        exp_avg = lerp(state["exp_avg"], grad, 1 - beta1)
        exp_avg_sq = beta2 * state["exp_avg_sq"] + (1 - beta2) * grad * grad
        denominator = np.sqrt(exp_avg_sq / bias_correction2) + eps
        param = param - self.lr * (1 - mu) / (1 - product) * grad / denominator
        param = param - self.lr * mu_next / (1 - product * mu_next) * exp_avg / denominator
        return param, {"step": step, "mu_product": mu_product, "exp_avg": exp_avg, "exp_avg_sq": exp_avg_sq}


@dataclass(frozen=True)
class RAdam(Optimizer):
    """RAdam (Liu et al. 2020): Adam that goes without its second moment until there is enough of it.

        theta <- theta - gamma lambda theta  if decoupled, else g <- g + lambda theta
        m <- beta1 m + (1 - beta1) g
        v <- beta2 v + (1 - beta2) g^2
        m_hat <- m / (1 - beta1^t)
        rho_inf <- 2 / (1 - beta2) - 1
        rho <- rho_inf - 2 t beta2^t / (1 - beta2^t)
        if rho > 5:
            r <- sqrt((rho - 4)(rho - 2) rho_inf / ((rho_inf - 4)(rho_inf - 2) rho))
            theta <- theta - gamma m_hat r sqrt(1 - beta2^t) / (sqrt(v) + epsilon)
        else:
            theta <- theta - gamma m_hat

    With the default beta2 the second form holds for five steps. Epsilon is added before bias correction here,
    where Adam adds it after.
    State: ``step``, ``exp_avg``, ``exp_avg_sq``.

    Raises:
        ValueError: ``lr``, ``eps`` or ``weight_decay`` is not at least 0, or ``betas`` are not two numbers in [0, 1).
    """

    lr: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0
    decoupled_weight_decay: bool = False
    maximize: bool = False

    def check_own(self) -> None:
        check_at_least_zero(learning_rate=self.lr, epsilon=self.eps, weight_decay=self.weight_decay)
        check_betas(self.betas)

    def first_state(self, param: Array) -> ParamState:
        return {"step": ZERO_STEPS.copy(), "exp_avg": np.zeros_like(param), "exp_avg_sq": np.zeros_like(param)}

    def update(self, param: Array, grad: Array, state: ParamState) -> tuple[Array, ParamState]:
        (beta1, beta2), eps = self.betas, self.eps
        step = count(state["step"])
        t = float(step)
        if self.maximize:
            grad = -grad
        if self.weight_decay != 0:
            if self.decoupled_weight_decay:
                param = param * (1 - self.lr * self.weight_decay)
            else:
                grad = grad + self.weight_decay * param
        bias_correction1 = 1 - beta1**t
        bias_correction2 = 1 - beta2**t
        exp_avg = lerp(state["exp_avg"], grad, 1 - beta1)
        exp_avg_sq = beta2 * state["exp_avg_sq"] + (1 - beta2) * grad * grad
        change = exp_avg / bias_correction1 * self.lr
        rho_inf = 2 / (1 - beta2) - 1
        rho = rho_inf - 2 * t * beta2**t / bias_correction2
        if rho > 5:
            rectification = ((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho)) ** 0.5
            # sqrt(1 - beta2^t) over the root as torch divides a number by a tensor: times the reciprocal
            change = change * (1 / (np.sqrt(exp_avg_sq) + eps) * bias_correction2**0.5) * rectification
        return param - change, {"step": step, "exp_avg": exp_avg, "exp_avg_sq": exp_avg_sq}
