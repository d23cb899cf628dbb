"""Groups of parameters with options of their own, and torch's ``state_dict`` in both directions."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, TypeVar

import numpy as np

from reference.checks import Array, Params
from reference.optim.base import Optimizer, ParamState, State, check_known
from reference.optim.lbfgs import LBFGS
from reference.optim.sparse_gradient import SparseGradient

ADDED_LATER = ("amsgrad", "centered", "decoupled_weight_decay", "maximize", "nesterov")
"""options that a state saved by an older torch may lack: they had not been invented, and are off"""


@dataclass(frozen=True)
class ParamGroups:
    """One optimizer per group of parameters, as ``torch.optim`` takes a list of groups.

        optimizer = ParamGroups([(Adam(lr=1e-2), ["weight"]), (Adam(weight_decay=0.1), ["bias"])])
        state = optimizer.init(params)
        params, state = optimizer.step(params, grads, state)

    torch's groups share an algorithm; these need not. torch gives the sums of Adagrad the constructor's
    ``initial_accumulator_value`` whatever a group says; here it is the group's own.

    Raises:
        ValueError: no group; a parameter in two; LBFGS, which takes all parameters as one vector.
    """

    groups: Sequence[tuple[Optimizer, Collection[str]]]

    def __post_init__(self) -> None:
        if not self.groups:
            raise ValueError("optimizer got an empty parameter list")
        if any(isinstance(optimizer, LBFGS) for optimizer, _ in self.groups):
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")
        names = [name for _, group in self.groups for name in group]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ValueError(f"some parameters appear in more than one parameter group: {', '.join(repeated)}")

    def init(self, params: Params) -> dict[str, ParamState]:
        """The state before the first step.

        Raises:
            KeyError: parameters and groups disagree.
            ValueError: a parameter that its group's algorithm does not take, as in ``Optimizer.init``.
        """
        self._check(params)
        state: dict[str, ParamState] = {}
        for optimizer, names in self.groups:
            state |= {name: optimizer.initial_state(params[name]) for name in names}
        return {name: state[name] for name in params}

    def step(
        self, params: Params, grads: Mapping[str, Array | SparseGradient], state: State
    ) -> tuple[dict[str, Array], dict[str, ParamState]]:
        """Update every parameter that has a gradient, by its group's optimizer.

        Raises:
            KeyError: parameters and groups disagree, or a gradient for an unknown parameter.
            TypeError, RuntimeError, KeyError, ValueError, ZeroDivisionError, OverflowError: as ``Optimizer.step``.
        """
        self._check(params)
        check_known("gradient", grads, params)
        new_params: dict[str, Array] = {}
        new_state: dict[str, ParamState] = {}
        for optimizer, names in self.groups:
            stepped = optimizer.step(
                {name: params[name] for name in names},
                {name: grads[name] for name in names if name in grads},
                {name: state[name] for name in names if name in state},
            )
            new_params, new_state = new_params | stepped[0], new_state | stepped[1]
        return {name: new_params[name] for name in params}, {name: new_state[name] for name in params}

    def _check(self, params: Params) -> None:
        names = {name for _, group in self.groups for name in group}
        if names != params.keys():
            raise KeyError(f"parameters and groups disagree: {', '.join(sorted(names ^ params.keys()))}")


AnyOptimizer = TypeVar("AnyOptimizer", Optimizer, ParamGroups, LBFGS)
AnyMember = TypeVar("AnyMember", Optimizer, LBFGS)


def state_dict(
    optimizer: Optimizer | ParamGroups | LBFGS, state: Mapping[str, Any], params: Params | None = None
) -> dict[str, Any]:
    """What ``torch.optim.Optimizer.state_dict`` holds, with arrays in place of tensors.

        {"state": {index: {"exp_avg": ..., ...}}, "param_groups": [{"lr": ..., ..., "params": [indices]}]}

    Parameters are numbered through the groups, in each in its order; without groups in the state's. Only those
    that have a state are in it. What torch keeps as Python's numbers is a number here too: SparseAdam's ``step``, and
    LBFGS' counts and ``prev_loss``. torch's ``load_state_dict`` adds its ways of executing by itself.

    Args:
        params: for LBFGS, which has one state for all parameters; torch keeps it with the first of them.

    Raises:
        TypeError: LBFGS without ``params``.
        KeyError: a group's parameter without a state.
        StopIteration: LBFGS with empty ``params``.
    """
    if isinstance(optimizer, LBFGS):
        if params is None:
            raise TypeError("LBFGS has one state for all parameters: state_dict needs params to number them")
        optimizer = replace(optimizer, max_eval=optimizer.most_evaluations)
        first = next(iter(params))
        state = {name: state if name == first and state["func_evals"] else {} for name in params}
    groups = optimizer.groups if isinstance(optimizer, ParamGroups) else [(optimizer, list(state))]
    entries: dict[int, dict[str, Any]] = {}
    listed: list[dict[str, Any]] = []
    index = 0
    for member, names in groups:
        numbers = []
        for name in names:
            if state[name]:
                entries[index] = {key: _copied(value) for key, value in state[name].items()}
            numbers.append(index)
            index += 1
        listed.append({**asdict(member), "params": numbers})
    return {"state": entries, "param_groups": listed}


def _copied(value: Any) -> Any:
    if isinstance(value, list):
        return [_copied(entry) for entry in value]
    array = np.array(value, subok=True)
    number = array.dtype.kind == "i" or not isinstance(value, np.ndarray | np.generic)
    return array.item() if number else array


def load_state_dict(
    optimizer: AnyOptimizer, params: Params, saved: Mapping[str, Any]
) -> tuple[AnyOptimizer, dict[str, Any]]:
    """The optimizer and the state in a ``state_dict``, ours or torch's with its tensors made arrays.

    Without groups the parameters are in the dictionary's order. Options are those that were saved, as in torch; its
    ways of executing (``foreach``, ``fused``, ...) are left out, and so is LBFGS' ``al``, which every iteration
    writes anew. Options that an older torch did not know are off. AdamW's state decouples the decay of an Adam;
    Adam's leaves an AdamW's decoupled. Whatever is kept but ``step`` gets its parameter's dtype, as torch gives it:
    NAdam's product and ASGD's eta and mu too, which were float32 until then.

    Raises:
        TypeError: an option that is no number, where one is compared.
        ValueError: other groups, or another number of parameters in one, than the optimizer has; an option that the
            algorithm refuses.
        KeyError: the state lacks an option of this algorithm (torch raises it in the next step), or the groups'
            parameters are not those of ``params``.
    """
    groups = optimizer.groups if isinstance(optimizer, ParamGroups) else [(optimizer, list(params))]
    if len(groups) != len(saved["param_groups"]):
        raise ValueError("loaded state dict has a different number of parameter groups")
    members: list[tuple[Any, Collection[str]]] = []
    state: dict[str, dict[str, Any]] = {}
    for (member, group_names), group in zip(groups, saved["param_groups"], strict=True):
        if len(group_names) != len(group["params"]):
            raise ValueError(
                "loaded state dict contains a parameter group that doesn't match the size of optimizer's group"
            )
        members.append((_with_options(member, group), group_names))
        for name, index in zip(group_names, group["params"], strict=True):
            entries, dtype = saved["state"].get(index, {}), params[name].dtype
            state[name] = {key: _loaded(key, value, dtype) for key, value in entries.items() if key != "al"}
    if isinstance(optimizer, LBFGS):
        return members[0][0], state[next(iter(params))] or optimizer.init(params)
    loaded = ParamGroups(members) if isinstance(optimizer, ParamGroups) else members[0][0]
    return loaded, {name: state[name] for name in params}


def _with_options(member: AnyMember, group: Mapping[str, Any]) -> AnyMember:
    saved = dict.fromkeys(ADDED_LATER, False) | dict(group)
    names = [option.name for option in fields(member) if option.init]
    missing = [name for name in names if name not in saved]
    if missing:
        raise KeyError(f"these are no options of {type(member).__name__}: {', '.join(missing)} missing")
    return type(member)(**{name: saved[name] for name in names})


def _loaded(key: str, value: Any, dtype: np.dtype[Any]) -> Any:
    if isinstance(value, list):
        return [_loaded(key, entry, dtype) for entry in value]
    if key == "step":
        return np.array(value)
    return value.astype(dtype) if isinstance(value, np.ndarray) else value
