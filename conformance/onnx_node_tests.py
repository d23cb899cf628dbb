"""How many of the same divergences the ONNX node tests catch, for comparison.

ONNX publishes tests of single operators for whoever implements them: inputs, attributes and expected outputs. Here
the reference implements the operators that it has a formula for, and each divergence is applied to it in turn. Where
there is a choice of how to fit ONNX's operator to the reference, it is the one with which more is caught.

The node tests are forward only: no divergence of a backward pass is within their reach.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from conformance.case import Array
from conformance.divergences import Divergence, applied, catalogue
from conformance.divergences.patching import functions_of
from conformance.reach import executed
from reference import gru, lstm, optim, rnn

OPS = ("RNN", "LSTM", "GRU", "Momentum", "Adagrad", "Adam")


class OnnxMissingError(Exception):
    """onnx is not installed."""

    def __init__(self) -> None:
        super().__init__(
            "the comparison with the ONNX node tests needs the package onnx: in the clone, pip install -e '.[onnx]'"
        )


class NotApplicableError(Exception):
    """ONNX's operator computes what torch, and so the reference, does not."""


@dataclass(frozen=True, eq=False)
class NodeTest:
    """One ONNX node test; inputs and outputs by position, None where an optional one is left out."""

    name: str
    op: str
    attributes: Mapping[str, Any]
    inputs: tuple[Array | None, ...]
    expected: tuple[Array | None, ...]
    rtol: float
    atol: float
    not_applicable: str | None = None
    """why the reference cannot pass it, if so"""

    def run(self) -> tuple[Array, ...]:
        """The operator's outputs, as the reference computes them.

        Raises:
            NotApplicableError: the reference has no such operator, or not with these attributes.
        """
        if self.op not in OPERATORS:
            raise NotApplicableError(f"the reference has no {self.op}")
        return OPERATORS[self.op](self)

    def passes(self) -> bool:
        """The verdict of ONNX' own test runner: shapes, dtypes, and values within the test's tolerance."""
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                outputs = self.run()
        except Exception:  # a patched reference may fail in any way
            return False
        return all(
            out.shape == wanted.shape
            and out.dtype == wanted.dtype
            and np.allclose(out, wanted, self.rtol, self.atol, equal_nan=True)
            for out, wanted in zip(outputs, self.expected, strict=False)
            if wanted is not None
        )


@dataclass(frozen=True)
class Measured:
    """What the ONNX node tests catch. Divergences that are equivalent to torch count nowhere."""

    tests: tuple[NodeTest, ...]
    divergences: tuple[str, ...]
    """all that were asked for"""
    reached: tuple[str, ...]
    """those that change a function which an applicable test executes: what the tests could be expected to catch"""
    caught: dict[str, list[str]]
    """with the names of the tests that fail"""

    @property
    def applicable(self) -> tuple[NodeTest, ...]:
        return tuple(test for test in self.tests if test.not_applicable is None)


def measure(divergences: Sequence[Divergence] | None = None) -> Measured:
    """Run every applicable node test with every divergence that it reaches.

    Raises:
        OnnxMissingError: onnx is not installed.
        RuntimeError: the reference fails a test without any divergence, so that failing with one means nothing.
    """
    tests = node_tests()
    chosen = [known for known in (catalogue() if divergences is None else divergences) if not known.equivalent]
    reached, failing = set[str](), dict[str, list[str]]()
    for test in tests:
        if test.not_applicable is not None:
            continue
        if not test.passes():
            raise RuntimeError(f"the reference fails ONNX' {test.name}")
        functions = executed(NodeTest.run, test)
        for known in chosen:
            if functions_of(known.patches) & functions:
                reached.add(known.id)
                with applied([known]):
                    if not test.passes():
                        failing.setdefault(known.id, []).append(test.name)
    names = tuple(known.id for known in chosen)
    return Measured(tuple(tests), names, tuple(name for name in names if name in reached), failing)


def node_tests() -> list[NodeTest]:
    """The node tests of recurrent networks and optimizers, applicable or not.

    Raises:
        OnnxMissingError: onnx is not installed.
    """
    return list(_node_tests())


@cache
def _node_tests() -> tuple[NodeTest, ...]:
    with warnings.catch_warnings():
        # generating the tests of other operators overflows, and says so
        warnings.simplefilter("ignore")
        try:
            import onnx
            from onnx.backend.test.case.node import collect_testcases
        except ImportError as error:
            raise OnnxMissingError from error
        collected: list[Any] = collect_testcases(None)

    tests = []
    for entry in collected:
        node = entry.model.graph.node[0]
        if len(entry.model.graph.node) > 1 or node.op_type not in OPS:
            continue
        schema = onnx.defs.get_schema(node.op_type, domain=node.domain)
        given = [option.default_value for option in schema.attributes.values() if option.default_value.name]
        attributes = {
            option.name: _value(onnx.helper.get_attribute_value(option)) for option in [*given, *node.attribute]
        }
        for inputs, outputs in entry.data_sets:
            arrays = _in_place(node.input, inputs), _in_place(node.output, outputs)
            test = NodeTest(entry.name, node.op_type, attributes, *arrays, entry.rtol, entry.atol)
            try:
                test.run()
            except NotApplicableError as reason:
                test = replace(test, not_applicable=str(reason))
            tests.append(test)
    return tuple(sorted(tests, key=lambda test: OPS.index(test.op)))


def _in_place(names: Sequence[str], present: Sequence[Array]) -> tuple[Array | None, ...]:
    """ONNX leaves an optional argument out by an empty name, and then gives no array for it."""
    arrays = iter(present)
    return tuple(next(arrays) if name else None for name in names)


def _value(value: Any) -> Any:
    if isinstance(value, list):
        return [_value(item) for item in value]
    return value.decode() if isinstance(value, bytes) else value


# --------------------------------------------------------------------------------------------- ONNX' operators

DIRECTIONS = {"forward": slice(0, 1), "reverse": slice(1, 2), "bidirectional": slice(0, 2)}
BIAS_CORRECTED = 2.0**24
"""a number of steps after which 1 - beta^t is 1 for every beta in use"""


class Blocks(NamedTuple):
    """A recurrent operator in the reference."""

    module: Any
    network: Any
    order: tuple[int, ...]
    """where each of torch's blocks of weights and biases stands among ONNX': i, o, f, c of an LSTM, z, r, h of a GRU"""
    activations: tuple[str, ...]
    """those that torch's has, if it has no choice"""


RECURRENT = {
    "RNN": Blocks(rnn, rnn.RNN, (0,), ()),
    "LSTM": Blocks(lstm, lstm.LSTM, (0, 2, 3, 1), ("sigmoid", "tanh", "tanh")),
    "GRU": Blocks(gru, gru.GRU, (1, 0, 2), ("sigmoid", "tanh")),
}


def _recurrent(test: NodeTest) -> tuple[Array, ...]:
    """One layer of G gates, from X, W (D, G H, I), R (D, G H, H), B (D, 2 G H), initial_h, initial_c.

    Gives Y (T, D, B, H), Y_h and for an LSTM Y_c.
    """
    blocks, options = RECURRENT[test.op], test.attributes
    left_out: list[Array | None] = [None] * (8 - len(test.inputs))
    x, w, r, b, lengths, initial_h, initial_c, peepholes = [*test.inputs, *left_out]
    assert x is not None
    assert w is not None
    assert r is not None
    _check_supported(test, lengths, peepholes)
    batch_first, chosen = bool(options["layout"]), DIRECTIONS[options["direction"]]

    # torch has no layer that runs in reverse only: the forward half of a bidirectional one then stays all zeros,
    # and is not looked at
    chosen_by_user = {} if blocks.activations else {"nonlinearity": options["activations"][0].lower()}
    model = blocks.network(
        input_size=w.shape[2],
        hidden_size=r.shape[2],
        bias=b is not None,
        batch_first=batch_first,
        bidirectional=options["direction"] != "forward",
        **chosen_by_user,
    )
    params = {name: np.zeros_like(w, shape=shape) for name, shape in model.parameter_shapes.items()}
    for index, suffix in enumerate(model.suffixes[chosen]):
        given = {"weight_ih": w[index], "weight_hh": r[index]}
        if b is not None:
            given["bias_ih"], given["bias_hh"] = np.split(b[index], 2)
        for name, array in given.items():
            gates = np.split(array, len(blocks.order))
            params[name + suffix] = np.concatenate([gates[block] for block in blocks.order])
    starts: list[Array | None] = []
    for initial in (initial_h, initial_c)[: len(model.state_sizes)]:
        if initial is None:
            starts.append(None)
            continue
        states = initial.swapaxes(0, 1) if batch_first else initial
        start = np.zeros_like(x, shape=(model.num_directions, *states.shape[1:]))
        start[chosen] = states
        starts.append(start)

    output, *finals, _ = blocks.module.forward(model, params, x, *starts)
    by_direction = output.reshape(*output.shape[:2], model.num_directions, model.hidden_size)[:, :, chosen]
    finals = [final[chosen] for final in finals]
    if batch_first:
        return by_direction, *(final.swapaxes(0, 1) for final in finals)
    return by_direction.swapaxes(1, 2), *finals


def _check_supported(test: NodeTest, lengths: Array | None, peepholes: Array | None) -> None:
    options, blocks = test.attributes, RECURRENT[test.op]
    unsupported = [name for name in ("clip", "activation_alpha", "activation_beta") if name in options]
    if unsupported:
        raise NotApplicableError(f"torch has no {', '.join(unsupported)}")
    if peepholes is not None:
        raise NotApplicableError("torch has no LSTM with peepholes")
    if lengths is not None:
        raise NotApplicableError("ONNX' own reference ignores sequence_lens")
    if options.get("input_forget"):
        raise NotApplicableError("torch has no LSTM with input and forget gate coupled")
    if test.op == "GRU" and not options["linear_before_reset"]:
        raise NotApplicableError("ONNX multiplies by the reset gate before the product, torch after it")
    activations = [name.lower() for name in options.get("activations", blocks.activations)]
    if blocks.activations:
        allowed = tuple(activations[: len(blocks.activations)]) == blocks.activations
    else:
        used = activations[: 2 if options["direction"] == "bidirectional" else 1]
        allowed = len(set(used)) == 1 and used[0] in rnn.NONLINEARITIES
    if not allowed:
        raise NotApplicableError(f"torch has no {test.op} with {' and '.join(sorted(set(activations)))}")


def _momentum(test: NodeTest) -> tuple[Array, ...]:
    """V = alpha V + beta G, beta 1 in the first step (T = 0): torch's SGD with momentum alpha, dampening 1 - beta."""
    rate, count, options = *_scalars(test), test.attributes
    nesterov, beta = options["mode"] == "nesterov", options["beta"] if count else 1
    if nesterov and beta != 1:
        raise NotApplicableError("torch refuses Nesterov momentum with dampening, ONNX' beta")
    decay = options["norm_coefficient"]
    algorithm = optim.SGD(rate, options["alpha"], dampening=1 - beta, weight_decay=decay, nesterov=nesterov)
    return _step(algorithm, test, "momentum_buffer")


def _adagrad(test: NodeTest) -> tuple[Array, ...]:
    """torch's formula; ONNX counts the steps that came before, as torch's state does."""
    rate, count, options = *_scalars(test), test.attributes
    decay = options["norm_coefficient"]
    algorithm = optim.Adagrad(rate, options["decay_factor"], decay, eps=options["epsilon"])
    return _step(algorithm, test, "sum", step=count)


def _adam(test: NodeTest) -> tuple[Array, ...]:
    """ONNX corrects no bias where T = 0; torch always does, but after many steps the correction is exactly 1.

    Where T > 0, ONNX adds epsilon before bias correction ("epsilon hat"), torch after it.
    """
    rate, count, options = *_scalars(test), test.attributes
    if count > 0:
        raise NotApplicableError("ONNX adds Adam's epsilon before bias correction, torch after it")
    if options["norm_coefficient_post"] != 0:
        raise NotApplicableError("ONNX decays the new parameter, and not by the rate; torch's AdamW the old one")
    betas = options["alpha"], options["beta"]
    algorithm = optim.Adam(rate, betas, options["epsilon"], options["norm_coefficient"])
    return _step(algorithm, test, "exp_avg", "exp_avg_sq", step=BIAS_CORRECTED)


def _scalars(test: NodeTest) -> tuple[float, float]:
    """R and T."""
    rate, count = test.inputs[:2]
    assert rate is not None
    assert count is not None
    return float(rate), float(count)


def _step(algorithm: optim.Optimizer, test: NodeTest, *keys: str, step: float | None = None) -> tuple[Array, ...]:
    """A step from inputs grouped by kind, all X, all G and each kind of state, to outputs grouped alike."""
    arrays = [array for array in test.inputs[2:] if array is not None]
    size = len(arrays) // (2 + len(keys))
    params, grads, *states = (
        {str(i): array for i, array in enumerate(arrays[start : start + size])} for start in range(0, len(arrays), size)
    )
    counted = {} if step is None else {"step": np.array(step, np.float32)}
    state = {name: counted | {key: kind[name] for key, kind in zip(keys, states, strict=True)} for name in params}
    new_params, new_state = algorithm.step(params, grads, state)
    return (*new_params.values(), *(new_state[name][key] for key in keys for name in params))


OPERATORS: dict[str, Callable[[NodeTest], tuple[Array, ...]]] = {
    **dict.fromkeys(RECURRENT, _recurrent),
    "Momentum": _momentum,
    "Adagrad": _adagrad,
    "Adam": _adam,
}
