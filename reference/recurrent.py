r"""What the recurrent networks share: layers, directions, sequences of different lengths, dropout.

``rnn``, ``lstm`` and ``gru`` define one layer in one direction each, forward and backward; here these become a
network as ``torch.nn.RNN``, ``torch.nn.LSTM`` and ``torch.nn.GRU`` stack them. Layer l reads the states of layer
l - 1, both directions side by side; the reverse direction reads the sequence from its end. Between layers, in
training, dropout multiplies each state by a mask that is 0 with probability p and 1 / (1 - p) otherwise.

A batch of sequences of different lengths runs as one batch, padded at the end of each sequence. Padding is kept out
at the borders of a layer, so that the recurrence needs to know nothing of it: the reverse direction turns each
sequence round within its own length, final states are read at each sequence's own end, and what a layer gives on
padding is 0. Backward, no gradient enters on padding, and that on a final state enters at the sequence's own end.

Letters in shapes: T steps, B batch, I input_size, H hidden_size, L num_layers, D directions (1 or 2).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from numbers import Real
from typing import Any, ClassVar, NamedTuple, Self, TypeAlias

import numpy as np

from reference.checks import FLOATS, Array, Params, Shape, check_array, check_like, check_params, check_type
from reference.packing import Lengths
from reference.padding import Padding, at_the_ends, last_state, padding_of, turned


class Network:
    """The arguments that ``RNN``, ``LSTM`` and ``GRU`` share, and what follows from them."""

    gates: ClassVar[int] = 1
    """how many blocks of ``hidden_size`` rows weights and biases have"""

    input_size: int
    hidden_size: int
    num_layers: int
    bias: bool
    batch_first: bool
    dropout: float
    bidirectional: bool

    def __new__(cls, *_: object, **arguments: object) -> Self:
        # torch refuses it by name, whatever it is, so that nobody takes it for a misspelling
        if "proj_size" in arguments and not hasattr(cls, "proj_size"):
            raise ValueError(f"proj_size is an argument of LSTM, not of {cls.__name__}: got {arguments['proj_size']!r}")
        return super().__new__(cls)

    def __post_init__(self) -> None:
        self.check_own()
        if not isinstance(self.dropout, Real | str):
            raise TypeError(f"dropout should be a number in range [0, 1], got {self.dropout!r}")
        if not isinstance(self.dropout, Real) or isinstance(self.dropout, bool) or not 0 <= self.dropout <= 1:
            raise ValueError(f"dropout should be a number in range [0, 1], got {self.dropout!r}")
        for name in ("bias", "batch_first"):  # torch does not look at bidirectional, whose truth is what counts
            check_type(name, getattr(self, name), bool)
        for name in ("input_size", "hidden_size", "num_layers"):
            check_type(name, getattr(self, name), int)
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be greater than zero, got {getattr(self, name)}")
        self.check_own_sizes()
        if self.dropout > 0 and self.num_layers == 1:
            warnings.warn(
                f"dropout acts between layers: dropout={self.dropout} has no effect with num_layers=1", stacklevel=3
            )

    def check_own(self) -> None:
        """Check the arguments that only this network has, before the shared ones."""

    def check_own_sizes(self) -> None:
        """The same, after the shared ones."""

    @cached_property
    def num_directions(self) -> int:
        """1, or 2 if ``bidirectional``."""
        return 2 if self.bidirectional else 1

    @cached_property
    def output_size(self) -> int:
        """Features that one direction of a layer gives at every step."""
        return self.hidden_size

    @cached_property
    def state_sizes(self) -> tuple[int, ...]:
        """Features of each state that is carried from step to step, h first."""
        return (self.output_size,)

    def state_index(self, layer: int, direction: int) -> int:
        """Where a layer and direction (0 forward, 1 reverse) stands in h_0 and h_n."""
        return layer * self.num_directions + direction

    @cached_property
    def suffixes(self) -> list[str]:
        """The ends of the parameter names, in torch's order: ``_l0``, ``_l0_reverse``, ``_l1``, ..."""
        directions = ["", "_reverse"][: self.num_directions]
        return [f"_l{layer}{direction}" for layer in range(self.num_layers) for direction in directions]

    @cached_property
    def parameter_shapes(self) -> dict[str, Shape]:
        """Names and shapes of the parameters, in the order of torch's ``state_dict``."""
        shapes: dict[str, Shape] = {}
        for index, names in enumerate(self.direction_names):
            first_layer = index < self.num_directions
            inputs = self.input_size if first_layer else self.num_directions * self.output_size
            shapes |= {names[name]: shape for name, shape in self.direction_shapes(inputs).items()}
        return shapes

    @cached_property
    def direction_names(self) -> list[dict[str, str]]:
        """For every layer and direction the names of its parameters in ``params``, by those without suffix."""
        return [{name: name + suffix for name in self.direction_shapes(self.input_size)} for suffix in self.suffixes]

    def direction_shapes(self, inputs: int) -> dict[str, Shape]:
        """Those of one layer in one direction, which reads so many features, without its suffix."""
        n_rows = self.gates * self.hidden_size
        shapes: dict[str, Shape] = {"weight_ih": (n_rows, inputs), "weight_hh": (n_rows, self.output_size)}
        return shapes | {"bias_ih": (n_rows,), "bias_hh": (n_rows,)} if self.bias else shapes


class Steps(NamedTuple):
    """One layer in one direction, after its run."""

    x: Array
    """its input in the order in which it reads it, (T, B, inputs)"""
    states: tuple[Array, ...]
    """h and what else is carried: the initial state and after it the state of every step, (T + 1, B, ...)"""
    saved: Any = None
    """what else the layer's own backward needs"""


class Cache(NamedTuple):
    """What ``backward`` needs of a ``forward``: views and arrays that nobody may change in between."""

    params: Params
    """what ``forward`` has checked, and their dtype"""
    dtype: np.dtype[Any]
    input_shape: Shape
    padding: Padding | None
    masks: Sequence[Array]
    """between layers, (T, B, D * H); empty without dropout"""
    steps: list[Steps]
    """of every layer and direction"""


DirectionForward: TypeAlias = Callable[[Params, Array, Sequence[Array]], Steps]
"""one layer in one direction: ``run(params, x, initial)``, where parameters have their names without suffix"""
DirectionBackward: TypeAlias = Callable[
    [Params, Steps, Sequence[Array], Sequence[Array]], tuple[Array, Sequence[Array], dict[str, Array]]
]
"""its backward: ``run(params, steps, d_states, d_last)`` gives d_x, the gradients of the initial states and those of
the parameters. ``d_states`` enters at every step, (T, B, ...), on h, and where sequences end before the last step on
what else is carried, too; ``d_last`` enters on each final state at the last step, (B, ...)"""


def forward(
    model: Network,
    run: DirectionForward,
    params: Params,
    dtype: np.dtype[Any],
    x: Array,
    initial: Mapping[str, Array | None],
    lengths: Lengths | None,
    enforce_sorted: bool,
    dropout_masks: Array | None,
) -> tuple[Array, list[Array], Cache]:
    """Run a network over a sequence: output, the final states in the order of ``initial``, the cache.

    Arguments and errors are those that ``rnn.forward`` documents.
    """
    check_array("x", x)
    if x.ndim not in (2, 3):
        raise ValueError(f"{type(model).__name__}: expected x to be 2-D or 3-D, got {x.ndim}-D")
    if x.dtype != dtype:
        raise ValueError(f"RNN input dtype ({x.dtype}) does not match the parameters' dtype ({dtype})")
    if x.shape[-1] != model.input_size:
        raise RuntimeError(f"x.shape[-1] must be input_size: expected {model.input_size}, got {x.shape[-1]}")
    batched, input_shape = x.ndim == 3, x.shape
    x = time_major(model, x)
    steps, batch, _ = x.shape
    if steps == 0:
        raise RuntimeError(f"Expected sequence length to be larger than 0 in RNN, got x of shape {input_shape}")
    starts = _states(model, initial, batch, batched, x)
    masks = () if dropout_masks is None else _masks(model, dropout_masks, input_shape, dtype)
    padding = None
    if lengths is not None:
        padding = padding_of(lengths, input_shape, steps, batch, enforce_sorted)
        x = np.where(padding.beyond, 0, x)

    layer_input = x
    all_steps: list[Steps] = []
    finals = [[start] * len(model.suffixes) for start in starts]
    for layer in range(model.num_layers):
        outputs = []
        for direction in range(model.num_directions):
            index = model.state_index(layer, direction)
            # the reverse direction reads the sequence from its end, and its states are turned back for the output
            direction_input = turned(layer_input, padding) if direction else layer_input
            own = {name: params[full] for name, full in model.direction_names[index].items()}
            ran = run(own, direction_input, [start[index] for start in starts])
            for final, states in zip(finals, ran.states, strict=True):
                final[index] = states[-1] if padding is None else last_state(states, padding)
            h = ran.states[0][1:]
            if padding is not None:
                np.copyto(h, 0, where=padding.beyond)
            outputs.append(turned(h, padding) if direction else h)
            all_steps.append(ran)
        layer_input = np.concatenate(outputs, axis=-1) if model.bidirectional else outputs[0]
        if masks and layer < model.num_layers - 1:
            layer_input = layer_input * masks[layer]
    output = layer_input

    cache = Cache(params, dtype, input_shape, padding, masks, all_steps)
    if not batched:
        return output[:, 0], [stacked(final)[:, 0] for final in finals], cache
    return (output.swapaxes(0, 1) if model.batch_first else output), [stacked(final) for final in finals], cache


def backward(
    model: Network,
    run: DirectionBackward,
    params: Params,
    cache: Cache,
    d_output: Array | None,
    d_final: Mapping[str, Array | None],
) -> tuple[dict[str, Array], list[Array]]:
    """Backpropagation through time: gradients of the parameters and ``"input"``, and those of the initial states.

    ``d_final`` has the gradients of the final states in their order, by the names of the arguments.
    """
    dtype = cache.dtype if params is cache.params else check_params(params, model.parameter_shapes)
    if dtype not in FLOATS:
        raise RuntimeError(f"backward computes in float32, float64 or longdouble, got {dtype}")
    batched, padding, size = len(cache.input_shape) == 3, cache.padding, model.output_size
    states = cache.steps[-1].states
    steps, batch, _ = cache.steps[-1].x.shape
    features = model.num_directions * size
    if d_output is None:
        d_layer = np.zeros_like(states[0], shape=(steps, batch, features))
    else:
        check_like("d_output", d_output, (*cache.input_shape[:-1], features), dtype)
        d_layer = time_major(model, d_output)
    d_finals = _states(model, d_final, batch, batched, d_layer)
    if padding is not None:
        d_layer = np.where(padding.beyond, 0, d_layer)

    grads = dict.fromkeys(model.parameter_shapes, d_layer)  # in torch's order, whichever comes first below
    d_initials = [[d_n] * len(model.suffixes) for d_n in d_finals]
    for layer in reversed(range(model.num_layers)):
        d_inputs = []
        for direction in range(model.num_directions):
            index = model.state_index(layer, direction)
            d_h = d_layer[..., direction * size : (direction + 1) * size]
            if direction:
                d_h = turned(d_h, padding)
            d_last = [d_n[index] for d_n in d_finals]
            d_states = [d_h]
            if padding is not None:
                d_states, d_last = at_the_ends(d_h, d_last, padding)
            names = model.direction_names[index]
            own = {name: params[full] for name, full in names.items()}
            d_x, d_starts, own_grads = run(own, cache.steps[index], d_states, d_last)
            for d_0, d_start in zip(d_initials, d_starts, strict=True):
                d_0[index] = d_start
            d_inputs.append(turned(d_x, padding) if direction else d_x)
            grads.update({names[name]: grad for name, grad in own_grads.items()})
        d_layer = d_inputs[0] + d_inputs[1] if model.bidirectional else d_inputs[0]
        if cache.masks and layer:
            d_layer = d_layer * cache.masks[layer - 1]

    grads["input"] = d_layer.swapaxes(0, 1) if batched and model.batch_first else d_layer
    if not batched:
        grads["input"] = d_layer[:, 0]
        return grads, [stacked(d_0)[:, 0] for d_0 in d_initials]
    return grads, [stacked(d_0) for d_0 in d_initials]


def time_major(model: Network, a: Array) -> Array:
    """(T, B, ...) for an array laid out like the input: batch-first, or of a single sequence, or so already."""
    if a.ndim == 2:
        return a[:, None]
    return a.swapaxes(0, 1) if model.batch_first else a


def _states(model: Network, given: Mapping[str, Array | None], batch: int, batched: bool, like: Array) -> list[Array]:
    """States of all layers and directions or their gradients, each (L * D, B, ...); zeros where left out."""
    result, count = [], len(model.suffixes)
    for (name, value), size in zip(given.items(), model.state_sizes, strict=True):
        if value is None:
            result.append(constant(0, like, (count, batch, size)))
        elif batched:
            check_like(name, value, (count, batch, size), like.dtype)
            result.append(value)
        else:
            check_like(name, value, (count, size), like.dtype)
            result.append(value[:, None])
    return result


def _masks(model: Network, given: Array, input_shape: Shape, dtype: np.dtype[Any]) -> Sequence[Array]:
    if model.dropout == 0:
        raise RuntimeError("dropout_masks given, but dropout is 0")
    features = model.num_directions * model.output_size
    check_like("dropout_masks", given, (model.num_layers - 1, *input_shape[:-1], features), dtype)
    return [time_major(model, mask) for mask in given]


def stacked(states: Sequence[Array]) -> Array:
    """States of all layers and directions, (L * D, B, ...); a view if there is one only, where a copy costs more."""
    return states[0][None] if len(states) == 1 else np.stack(states)


def constant(value: float, like: Array, shape: Shape) -> Array:
    """``np.full_like``, which takes about twice as long for small arrays."""
    a = np.empty_like(like, order="C", shape=shape)
    a.fill(value)
    return a


def weight_gradient(d_rows: Array, inputs: Array) -> Array:
    """d_W = sum_t d_pre_t^T inputs_t, over the batch too: one product of (H, T * B) and (T * B, inputs).

    ``d_rows`` is d_pre as (T * B, H), ``inputs`` (T, B, inputs).
    """
    gradient: Array = d_rows.T.dot(rows(inputs))
    return gradient


def bias_gradient(d_pre: Array) -> Array:
    """d_b = sum_t d_pre_t, over the batch too; a product with ones is faster than sum() and rounds less."""
    d_rows = rows(d_pre)
    ones = constant(1, d_rows, (len(d_rows),))
    gradient: Array = ones.dot(d_rows)
    return gradient


def rows(a: Array) -> Array:
    """(T, B, features) as (T * B, features)."""
    steps, batch, features = a.shape
    return a.reshape(steps * batch, features)


def sigmoid_in_place(a: Array) -> None:
    """1 / (1 + e^-a), written over a. Far below 0 the exponential is infinite and the result 0, as it should be."""
    np.negative(a, out=a)
    np.exp(a, out=a)
    a += 1
    np.reciprocal(a, out=a)
