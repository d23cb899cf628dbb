"""Checks that are missing, or that refuse what torch accepts.

None of these changes a number: what is wrong is that a mistake of the caller's goes through, ends in an exception of
another class than the one that torch documents, or that a call is refused which torch takes.
"""

from __future__ import annotations

from conformance.divergences.divergence import Divergence
from conformance.divergences.patching import Patch

DIVERGENCES: tuple[Divergence, ...] = (
    Divergence(
        "length-0-accepted",
        "with sequences of length 0 accepted",
        "A loop over no steps gives an empty output and hands h_0 through as h_n, so that a batch cut to nothing goes "
        "unnoticed. torch raises RuntimeError.",
        (Patch("recurrent", "if steps == 0:", "if steps < 0:", "forward"),),
        seen_in=("any loop over time steps",),
    ),
    Divergence(
        "empty-batch-refused",
        "with a batch of 0 refused",
        "A batch without samples is what is left where a filter lets nothing through. torch accepts it: its outputs "
        "are empty, its gradients zero.",
        (Patch("recurrent", "if steps == 0:", "if steps == 0 or batch == 0:", "forward"),),
    ),
    Divergence(
        "state-shape-unchecked",
        "without a check of the shapes of h_0 and c_0",
        "NumPy's own ValueError, from somewhere in the middle, in place of torch's RuntimeError; and where the number "
        "of elements happens to fit, no exception at all: the states of other sequences.",
        (
            Patch(
                "recurrent",
                "check_like(name, value, (count, batch, size), like.dtype)\n            result.append(value)",
                "result.append(value.reshape(count, batch, size))",
                "_states",
            ),
            Patch(
                "recurrent",
                "check_like(name, value, (count, size), like.dtype)\n            result.append(value[:, None])",
                "result.append(value.reshape(count, batch, size))",
                "_states",
            ),
        ),
        seen_in=("hand-written networks that reshape their state",),
    ),
    Divergence(
        "unsorted-lengths-accepted",
        "with lengths in any order accepted, whatever enforce_sorted says",
        "torch's default is to refuse them: who passes lengths that rise may not know which of them belongs to which "
        "sequence.",
        (
            Patch(
                "packing",
                "if enforce_sorted and np.any(lengths[1:] > lengths[:-1]):",
                "if enforce_sorted and np.any(lengths[1:] > steps):",
                "check_lengths",
            ),
        ),
        seen_in=("implementations that mask padding in place of packing",),
    ),
    Divergence(
        "length-0-of-a-sequence-accepted",
        "with a sequence of length 0 in a batch accepted",
        "There is no last step to read a final state at: index -1 reads the end of the padding.",
        (Patch("packing", "if np.any(lengths <= 0) or", "if np.any(lengths < 0) or", "check_lengths"),),
    ),
    Divergence(
        "dropout-1-refused",
        "with a dropout of 1 refused",
        "1 / (1 - dropout) has no value at 1, so that the limit is left out of the range. torch drops everything.",
        (Patch("recurrent", "not 0 <= self.dropout <= 1", "not 0 <= self.dropout < 1", "Network.__post_init__"),),
    ),
    Divergence(
        "projection-as-large-as-the-state-accepted",
        "with a proj_size equal to hidden_size accepted",
        "A projection that projects nothing away. torch refuses it with ValueError.",
        (
            Patch(
                "lstm",
                "not 0 <= self.proj_size < self.hidden_size",
                "not 0 <= self.proj_size <= self.hidden_size",
                "LSTM.check_own_sizes",
            ),
        ),
    ),
    Divergence(
        "size-0-refused",
        "with a size of 0 refused by a cell or a linear layer",
        "nn.RNN refuses sizes of 0. Its cell does not, nor does nn.Linear, whose result is the bias then, or nothing.",
        (Patch("checks", "value < 0", "value <= 0", "check_size"),),
    ),
    Divergence(
        "negative-class-accepted",
        "with negative class indices accepted",
        "Indexing an array with -1 gives its last element, comparing it with 0, 1, ... gives none: either way a "
        "label that does not exist goes through. torch raises IndexError, unless it is ignore_index.",
        (
            Patch(
                "losses",
                "((indices < 0) | (indices >= n_classes))",
                "(indices >= n_classes)",
                "_class_indices",
            ),
        ),
        seen_in=("hand-written losses that index with the target",),
    ),
    Divergence(
        "ignore-index-with-probabilities-accepted",
        "with an ignore_index of 0 or more accepted beside probabilities",
        "A distribution has no class that could be ignored: the option is without effect, and torch says so.",
        (Patch("losses", "if ignore_index >= 0:", "if ignore_index >= input.size:", "_targets"),),
    ),
    Divergence(
        "unknown-gain-is-1",
        "with a gain of 1 for every nonlinearity that is not in the table",
        "A misspelt name then starts the layer with the wrong deviation. torch raises ValueError.",
        (
            Patch(
                "initializers",
                "if nonlinearity not in _GAINS:",
                "if not isinstance(nonlinearity, str):",
                "calculate_gain",
            ),
            Patch(
                "initializers", "return _GAINS[nonlinearity]", "return _GAINS.get(nonlinearity, 1.0)", "calculate_gain"
            ),
        ),
    ),
    Divergence(
        "nan-options-accepted",
        "with options of an optimizer that are NaN accepted",
        "`if lr < 0: raise` is false for NaN; torch asks `if not 0.0 <= lr`. One step makes every parameter NaN.",
        (Patch("optim.base", "if not value >= 0.0:", "if value < 0.0:", "check_at_least_zero"),),
        seen_in=("most hand-written optimizers", "torch's own SGD"),
    ),
    Divergence(
        "beta-1-accepted",
        "with a beta of 1 accepted",
        "The moving average then never moves, and its bias correction divides by 1 - 1. torch's range is [0, 1).",
        (Patch("optim.base", "if not 0.0 <= beta < 1.0:", "if not 0.0 <= beta <= 1.0:", "check_betas"),),
    ),
    Divergence(
        "nesterov-without-momentum-accepted",
        "with Nesterov's form accepted without momentum",
        "Without a velocity there is nothing to look ahead along, and the option is silently without effect.",
        (
            Patch(
                "optim.sgd",
                "if self.nesterov and (self.momentum <= 0 or self.dampening != 0):",
                "if self.nesterov and self.dampening != 0:",
                "SGD.check_own",
            ),
        ),
    ),
    Divergence(
        "nesterov-with-dampening-accepted",
        "with Nesterov's form accepted beside dampening",
        "Its formula has no place for dampening; torch refuses the pair.",
        (
            Patch(
                "optim.sgd",
                "if self.nesterov and (self.momentum <= 0 or self.dampening != 0):",
                "if self.nesterov and self.momentum <= 0:",
                "SGD.check_own",
            ),
        ),
    ),
    Divergence(
        "infinite-norm-accepted",
        "with error_if_nonfinite refusing NaN only",
        "isnan in place of not isfinite: an infinite norm goes through, and scales every finite gradient to 0.",
        (Patch("clip", "not np.isfinite(total)", "np.isnan(total)", "total_norm"),),
    ),
    Divergence(
        "empty-parameter-list-accepted",
        "with an optimizer of no parameters accepted",
        "A generator that was already exhausted, or a layer that registered nothing: training runs and nothing moves. "
        "torch raises ValueError.",
        (Patch("optim.base", "if not params:", "if params is None:", "check_given"),),
    ),
)
