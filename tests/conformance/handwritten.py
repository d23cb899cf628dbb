"""Networks, losses and optimizers that share nothing with the reference, each with a mistake of one's choice.

As somebody would write them who has the formulas at hand: one step after the other, one line per gate.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from conformance.case import Array, Case
from conformance.trace import Trace


def _sigmoid(a: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-a)))


def _one_layer(case: Case) -> None:
    if case.config["num_layers"] > 1 or case.config["bidirectional"] or case.config.get("proj_size"):
        raise NotImplementedError("one layer, one direction")


def _given(case: Case, name: str) -> Any:
    """What enters with the batch in front where it does so in the case; 0 if it is left out."""
    if name not in case:
        return 0.0
    array = case[name]
    return array.swapaxes(0, 1) if case.config["batch_first"] and name in ("input", "d_output") else array


def _at(array: Any, t: int) -> Any:
    return array[t] if isinstance(array, np.ndarray) else array


def _trace(case: Case, arrays: dict[str, Array], d_biases: dict[str, Array]) -> Trace:
    for name in ("output", "grad.input"):
        if case.config["batch_first"]:
            arrays[name] = arrays[name].swapaxes(0, 1)
    arrays |= {f"grad.{name}": array for name, array in d_biases.items()}
    return {name: array for name, array in arrays.items() if name[5:] in case or not name.startswith("grad.")}


def rnn(case: Case, mistake: str = "") -> Trace:
    layers, directions = case.config["num_layers"], 2 if case.config["bidirectional"] else 1
    tanh = case.config["nonlinearity"] == "tanh"
    x, size = _given(case, "input"), case["weight_hh_l0"].shape[1]
    steps, batch, _ = x.shape
    h_0, d_h_n = (np.zeros((layers * directions, batch, size)) + _given(case, name) for name in ("h_0", "d_h_n"))
    runs, h_n = [], np.zeros_like(h_0)
    for layer in range(layers):
        outputs = []
        for direction in range(directions):
            suffix = f"_l{layer}" + "_reverse" * direction
            w_ih, w_hh = case["weight_ih" + suffix], case["weight_hh" + suffix]
            w_hh = w_hh.T if mistake == "transposed" else w_hh
            bias = case["bias_ih" + suffix] + case["bias_hh" + suffix] if case.config["bias"] else 0.0
            if mistake == "one bias" and case.config["bias"]:
                bias = case["bias_ih" + suffix]
            place = (
                direction * layers + layer if mistake == "direction by direction" else layer * directions + direction
            )
            hs = [h_0[place]]
            for x_t in x[::-1] if direction else x:
                pre = x_t @ w_ih.T + bias + hs[-1] @ w_hh.T
                hs.append(np.tanh(pre) if tanh or mistake == "always tanh" else np.maximum(pre, 0))
            h_n[place] = hs[1] if direction and mistake == "wrong end" else hs[-1]
            outputs.append(np.stack(hs[1:])[::-1] if direction else np.stack(hs[1:]))
            runs.append((suffix, place, direction, x[::-1] if direction else x, hs, w_ih, w_hh))
        x = np.concatenate(outputs, axis=-1)

    d_output = np.zeros_like(x) + _given(case, "d_output")
    arrays, d_h_0, d_biases = {"output": x, "h_n": h_n}, np.zeros_like(h_0), dict[str, Array]()
    for layer in reversed(range(layers)):
        d_x = 0.0
        for suffix, place, direction, read, hs, w_ih, w_hh in runs[layer * directions : (layer + 1) * directions]:
            d_above = d_output[:, :, direction * size : (direction + 1) * size]
            d_above = d_above[::-1] if direction else d_above
            d_h, d_read = d_h_n[place], np.zeros_like(read)
            d_w_ih, d_w_hh, d_bias = np.zeros_like(w_ih), np.zeros_like(w_hh), np.zeros(size)
            if direction and mistake == "wrong end":
                d_above, d_h = d_above.copy(), np.zeros_like(d_h)
                d_above[0] += d_h_n[place]
            for t in reversed(range(steps)):
                h_t, d_h = hs[t + 1], d_h + d_above[t]
                if mistake == "derivative without square":
                    d_pre = d_h * (1 - h_t) if tanh else np.where(h_t > 0, d_h, 0)
                else:
                    d_pre = d_h * (1 - h_t**2) if tanh or mistake == "always tanh" else np.where(h_t > 0, d_h, 0)
                d_w_ih, d_w_hh = (
                    d_w_ih + d_pre.T @ read[t],
                    d_w_hh + d_pre.T @ hs[t + (mistake == "state after the step")],
                )
                d_bias, d_read[t], d_h = d_bias + d_pre.sum(axis=0), d_pre @ w_ih, d_pre @ w_hh
                if mistake == "detached every five steps" and t and t % 5 == 0:
                    d_h = np.zeros_like(d_h)
            if mistake == "mean over the batch" and batch:
                d_w_ih, d_w_hh, d_bias = d_w_ih / batch, d_w_hh / batch, d_bias / batch
            elif mistake == "mean over the batch":
                d_w_ih, d_w_hh, d_bias = (np.full_like(d, np.nan) for d in (d_w_ih, d_w_hh, d_bias))
            arrays |= {"grad.weight_ih" + suffix: d_w_ih}
            arrays |= {"grad.weight_hh" + suffix: d_w_hh.T if mistake == "transposed" else d_w_hh}
            d_biases |= {"bias_ih" + suffix: d_bias, "bias_hh" + suffix: d_bias * (mistake != "one bias")}
            d_h_0[place] = d_h
            d_x = d_x + (d_read[::-1] if direction else d_read)
        d_output = d_x
    return _trace(case, arrays | {"grad.input": np.asarray(d_output), "grad.h_0": d_h_0}, d_biases)


def lstm(case: Case, mistake: str = "") -> Trace:
    _one_layer(case)
    w_ih, w_hh = case["weight_ih_l0"], case["weight_hh_l0"]
    bias = case["bias_ih_l0"] + case["bias_hh_l0"] if case.config["bias"] else 0.0
    x, d_output = _given(case, "input"), _given(case, "d_output")
    steps, batch, _ = x.shape
    size = w_hh.shape[1]
    h, c = np.zeros((batch, size)) + _at(_given(case, "h_0"), 0), np.zeros((batch, size)) + _at(_given(case, "c_0"), 0)
    if mistake == "states ignored":
        h, c = np.zeros_like(h), np.zeros_like(c)
    hs, cs = [h], [c]
    gates: list[tuple[Array, ...]] = []
    for t in range(steps):
        i, f, g, o = np.split(x[t] @ w_ih.T + h @ w_hh.T + bias, 4, axis=1)
        i, f, o = _sigmoid(i), _sigmoid(f + 1 if mistake == "forget bias" else f), _sigmoid(o)
        g = _sigmoid(g) if mistake == "candidate" else np.tanh(g)
        if mistake == "coupled":
            f = 1 - i
        c = f * c + i * g
        h = o * np.tanh(c)
        hs, cs, gates = [*hs, h], [*cs, c], [*gates, (i, f, g, o)]

    d_h = np.zeros((batch, size)) + _at(_given(case, "d_h_n"), 0)
    d_c = np.zeros((batch, size)) + _at(_given(case, "d_c_n"), 0)
    d_w_ih, d_w_hh, d_bias, d_x = np.zeros_like(w_ih), np.zeros_like(w_hh), np.zeros(len(w_hh)), np.zeros_like(x)
    for t in reversed(range(steps)):
        i, f, g, o = gates[t]
        d_h = d_h + _at(d_output, t)
        tanh_c = np.tanh(cs[t + 1])
        d_cell = d_h * o * (1 - tanh_c**2)
        d_c = d_cell if mistake == "cell gradient assigned" else d_c + d_cell
        before = cs[t + 1] if mistake == "cell after the step" else cs[t]
        d_i, d_f, d_g, d_o = d_c * g * i * (1 - i), d_c * before * f * (1 - f), d_c * i, d_h * tanh_c * o * (1 - o)
        d_g = d_g * (g * (1 - g) if mistake == "candidate" else 1 - g**2)
        if mistake == "coupled":
            d_i, d_f = d_c * (g - before) * i * (1 - i), 0 * d_f
        d_pre = np.concatenate((d_i, d_f, d_g, d_o), axis=1)
        d_w_ih, d_w_hh, d_bias = d_w_ih + d_pre.T @ x[t], d_w_hh + d_pre.T @ hs[t], d_bias + d_pre.sum(axis=0)
        d_x[t], d_h, d_c = d_pre @ w_ih, d_pre @ w_hh, d_c * f
    if mistake == "mean over the steps":
        d_w_ih, d_w_hh, d_bias = d_w_ih / steps, d_w_hh / steps, d_bias / steps
    arrays = {"output": np.stack(hs[1:]), "h_n": h[None], "c_n": c[None], "grad.input": d_x}
    arrays |= {"grad.h_0": d_h[None], "grad.c_0": d_c[None], "grad.weight_ih_l0": d_w_ih, "grad.weight_hh_l0": d_w_hh}
    return _trace(case, arrays, {"bias_ih_l0": d_bias, "bias_hh_l0": d_bias})


def gru(case: Case, mistake: str = "") -> Trace:
    _one_layer(case)
    w_ih, w_hh = case["weight_ih_l0"], case["weight_hh_l0"]
    size = w_hh.shape[1]
    b_ih, b_hh = (case[name] if name in case else np.zeros(3 * size) for name in ("bias_ih_l0", "bias_hh_l0"))
    x, d_output = _given(case, "input"), _given(case, "d_output")
    steps, batch, _ = x.shape
    h = np.zeros((batch, size)) + _at(_given(case, "h_0"), 0)
    both, last = slice(2 * size), slice(2 * size, None)
    before = mistake == "reset before the product"
    hs = [h]
    saved: list[tuple[Array, ...]] = []
    for t in range(steps):
        pre, hidden = x[t] @ w_ih.T + b_ih, h @ w_hh.T + b_hh
        r, z = np.split(_sigmoid(pre[:, both] + hidden[:, both]), 2, axis=1)
        if mistake == "update gate":
            z = 1 - z
        inner = (r * h) @ w_hh[last].T + b_hh[last] if before else hidden[:, last]
        n = np.tanh(pre[:, last] + (inner if before else r * inner))
        h = (1 - z) * n + z * h
        hs, saved = [*hs, h], [*saved, (r, z, n, inner)]

    d_h = np.zeros((batch, size)) + _at(_given(case, "d_h_n"), 0)
    d_w_ih, d_w_hh, d_x = np.zeros_like(w_ih), np.zeros_like(w_hh), np.zeros_like(x)
    d_b_ih, d_b_hh = np.zeros(3 * size), np.zeros(3 * size)
    for t in reversed(range(steps)):
        (r, z, n, inner), previous = saved[t], hs[t]
        d_h = d_h + _at(d_output, t)
        d_n, d_z = d_h * (1 - z) * (1 - n**2), d_h * (previous - n) * z * (1 - z)
        if mistake == "update gate":
            d_z = -d_z
        through = d_n @ w_hh[last] if before else d_n
        d_r = through * (previous if before else inner) * r * (1 - r)
        d_pre = np.concatenate((d_r, d_z, d_n), axis=1)
        d_hidden = np.concatenate((d_r, d_z, d_n if before or mistake == "reset gate forgotten" else d_n * r), axis=1)
        d_w_ih, d_b_ih, d_b_hh = d_w_ih + d_pre.T @ x[t], d_b_ih + d_pre.sum(axis=0), d_b_hh + d_hidden.sum(axis=0)
        read = hs[t + 1] if mistake == "state after the step" else previous
        d_w_hh[both] += d_hidden[:, both].T @ read
        d_w_hh[last] += d_hidden[:, last].T @ (r * read if before else read)
        d_x[t] = d_pre @ w_ih
        d_back = d_hidden[:, both] @ w_hh[both] + (through * r if before else d_hidden[:, last] @ w_hh[last])
        d_h = d_back if mistake == "direct path" else d_back + d_h * z
    arrays = {"output": np.stack(hs[1:]), "h_n": h[None], "grad.input": d_x, "grad.h_0": d_h[None]}
    arrays |= {"grad.weight_ih_l0": d_w_ih, "grad.weight_hh_l0": d_w_hh}
    return _trace(case, arrays, {"bias_ih_l0": d_b_ih, "bias_hh_l0": d_b_hh})


def loss(case: Case, mistake: str = "") -> Trace:
    """The mean cross-entropy of class indices, without options."""
    config, scores, target = case.config, case["input"], case["target"]
    plain = "weight" not in case and not config["label_smoothing"] if config["function"] == "cross_entropy" else False
    if not plain or config["reduction"] != "mean" or scores.ndim != 2 or target.ndim != 1:
        raise NotImplementedError("the mean cross-entropy of samples")
    if np.any(target == config["ignore_index"]):
        raise NotImplementedError("no sample ignored")
    if not scores.size or np.ptp(scores) > 100:
        raise NotImplementedError("scores from which nothing overflows")
    samples, one_hot = len(scores), np.eye(scores.shape[1])[target]
    given = scores
    if mistake == "softmax first":
        scores = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    p = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    log_p = np.log(p + 1e-7 if mistake == "guarded" else p)
    value, d_scores = -(one_hot * log_p).sum() / samples, (p - one_hot) / samples * case["d_output"]
    if mistake == "gradient of the sum":
        d_scores = d_scores * samples
    elif mistake == "classes in the mean":
        value, d_scores = value / scores.shape[1], d_scores / scores.shape[1]
    elif mistake == "bits":
        value, d_scores = value / np.log(2), d_scores / np.log(2)
    elif mistake == "upstream ignored":
        d_scores = (p - one_hot) / samples
    elif mistake == "softmax first":
        first = np.exp(given) / np.exp(given).sum(axis=1, keepdims=True)
        d_scores = first * (d_scores - (first * d_scores).sum(axis=1, keepdims=True))
    return {"output": np.asarray(value), "grad.input": d_scores}


def optimizer(case: Case, mistake: str = "") -> Trace:
    """Adam, AdamW, RMSprop, Adagrad, and SGD with momentum."""
    config: dict[str, Any] = dict(case.config)
    algorithm = config["algorithm"]
    if algorithm not in RULES or config.get("maximize"):
        raise NotImplementedError(f"{', '.join(RULES)}, downwards")
    params = case.params()
    state: dict[str, dict[str, Any]] = {name: {"count": 0} for name in params}
    trace: Trace = {}
    for step in range(1, case.steps + 1):
        rate = float(case[f"step{step}.lr"]) if f"step{step}.lr" in case else config["lr"]
        for name, own in state.items():
            if f"step{step}.grad.{name}" not in case:
                continue
            own["count"] = step if mistake == "one count for all" else own["count"] + 1
            grad, decay = case[f"step{step}.grad.{name}"], config["weight_decay"]
            decoupled = algorithm == "AdamW" or config.get("decoupled_weight_decay", False)
            if (algorithm, mistake) in (("AdamW", "decay coupled"), ("SGD", "decay decoupled")):
                decoupled = not decoupled
            if decoupled:
                params[name] = params[name] * (1 - rate * decay)
            else:
                grad = grad + decay * params[name]
            moved, kept = RULES[algorithm](config, own, grad, rate, mistake)
            params[name] = params[name] - moved
            trace |= {f"step{step}.state.{name}.{key}": array for key, array in kept.items()}
        trace |= {f"step{step}.param.{name}": array for name, array in params.items()}
    return trace


def _sgd(config: dict[str, Any], own: dict[str, Any], grad: Array, rate: float, mistake: str) -> tuple[Any, Trace]:
    if not config["momentum"]:
        return rate * grad, {}
    damped = (1 - config["dampening"]) * grad
    first = grad
    if mistake == "rate inside the velocity":
        damped, grad = rate * damped, rate * grad
        first = grad
    elif mistake == "velocity as an average":
        damped = first = (1 - config["momentum"]) * grad
    own["b"] = config["momentum"] * own["b"] + damped if "b" in own else first
    direction = grad + config["momentum"] * own["b"] if config["nesterov"] else own["b"]
    return direction if mistake == "rate inside the velocity" else rate * direction, {"momentum_buffer": own["b"]}


def _adam(config: dict[str, Any], own: dict[str, Any], grad: Array, rate: float, mistake: str) -> tuple[Any, Trace]:
    (beta1, beta2), count = config["betas"], own["count"]
    own["m"] = beta1 * own.get("m", 0) + (1 - beta1) * grad
    own["v"] = beta2 * own.get("v", 0) + (1 - beta2) * grad**2
    kept = {"exp_avg": own["m"], "exp_avg_sq": own["v"]}
    v = own["v"]
    if config["amsgrad"]:
        v = own["largest"] = kept["max_exp_avg_sq"] = np.maximum(own.get("largest", 0), v)
    m, v = own["m"] / (1 - beta1**count), v / (1 - beta2**count)
    if mistake == "epsilon inside the root":
        return rate * m / np.sqrt(v + config["eps"]), kept
    if mistake == "epsilon before bias correction":
        correction = np.sqrt(1 - beta2**count)
        return rate * m * correction / (np.sqrt(v) * correction + config["eps"]), kept
    return rate * m / (np.sqrt(v) + config["eps"]), kept


def _rmsprop(config: dict[str, Any], own: dict[str, Any], grad: Array, rate: float, mistake: str) -> tuple[Any, Trace]:
    alpha = config["alpha"]
    own["v"] = alpha * own.get("v", 0) + (1 if mistake == "squares added" else 1 - alpha) * grad**2
    kept, v = {"square_avg": own["v"]}, own["v"]
    if config["centered"]:
        own["g"] = kept["grad_avg"] = alpha * own.get("g", 0) + (1 - alpha) * grad
        v = v - own["g"] ** 2
    root = np.sqrt(v + config["eps"]) if mistake == "epsilon inside the root" else np.sqrt(v) + config["eps"]
    if not config["momentum"]:
        return rate * grad / root, kept
    inside = rate if mistake == "rate inside the velocity" else 1.0
    own["b"] = kept["momentum_buffer"] = config["momentum"] * own.get("b", 0) + inside * grad / root
    return rate / inside * own["b"], kept


def _adagrad(config: dict[str, Any], own: dict[str, Any], grad: Array, rate: float, mistake: str) -> tuple[Any, Trace]:
    before = own.get("sum", config["initial_accumulator_value"])
    own["sum"] = grad**2 if mistake == "squares not added" else before + grad**2
    late = 0 if mistake == "decayed at once" else 1
    rate = rate / (1 + (own["count"] - late) * config["lr_decay"])
    if mistake == "epsilon inside the root":
        return rate * grad / np.sqrt(own["sum"] + config["eps"]), {"sum": own["sum"]}
    return rate * grad / (np.sqrt(own["sum"]) + config["eps"]), {"sum": own["sum"]}


RULES = {"SGD": _sgd, "Adam": _adam, "AdamW": _adam, "RMSprop": _rmsprop, "Adagrad": _adagrad}
