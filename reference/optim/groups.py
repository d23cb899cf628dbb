"""Groups of parameters with options of their own, and torch's ``state_dict`` in both directions."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from reference.checks import Array, Params
from reference.optim.base import Optimizer, ParamState, SparseGradient, State


@dataclass(frozen=True)
class ParamGroups:
    """One optimizer per group of parameters, as ``torch.optim`` takes a list of groups.

        optimizer = ParamGroups([(Adam(lr=1e-2), ["weight"]), (Adam(weight_decay=0.1), ["bias"])])
        state = optimizer.init(params)
        params, state = optimizer.step(params, grads, state)

    torch's groups share an algorithm; these need not. torch gives the sums of Adagrad the constructor's
    ``initial_accumulator_value`` whatever a group says; here it is the group's own.
    """

    groups: Sequence[tuple[Optimizer, Collection[str]]]

    def __post_init__(self) -> None:
        if not self.groups:
            raise ValueError("optimizer got an empty parameter list")
        names = [name for _, group in self.groups for name in group]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ValueError(f"some parameters appear in more than one parameter group: {', '.join(repeated)}")

    def init(self, params: Params) -> dict[str, ParamState]:
        """The state before the first step."""
        self._check(params)
        state: dict[str, ParamState] = {}
        for optimizer, names in self.groups:
            state |= {name: optimizer.initial_state(params[name]) for name in names}
        return {name: state[name] for name in params}

    def step(
        self, params: Params, grads: Mapping[str, Array | SparseGradient], state: State
    ) -> tuple[dict[str, Array], dict[str, ParamState]]:
        """Update every parameter that has a gradient, by its group's optimizer."""
        self._check(params)
        for name in grads:
            if name not in params:
                raise KeyError(f"gradient for an unknown parameter {name}")
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


def state_dict(optimizer: Optimizer | ParamGroups, state: State) -> dict[str, Any]:
    """What ``torch.optim.Optimizer.state_dict`` holds, with arrays in place of tensors.

        {"state": {index: {"exp_avg": ..., ...}}, "param_groups": [{"lr": ..., ..., "params": [indices]}]}

    Parameters are numbered through the groups, in each in its order; without groups in the state's. Only those
    that have a state are in it.
    """
    groups = optimizer.groups if isinstance(optimizer, ParamGroups) else [(optimizer, list(state))]
    entries: dict[int, ParamState] = {}
    listed: list[dict[str, Any]] = []
    index = 0
    for member, names in groups:
        numbers = []
        for name in names:
            if state[name]:
                entries[index] = {key: np.array(value) for key, value in state[name].items()}
            numbers.append(index)
            index += 1
        listed.append({**asdict(member), "params": numbers})
    return {"state": entries, "param_groups": listed}


def load_state_dict(
    optimizer: Optimizer | ParamGroups, params: Params, saved: Mapping[str, Any]
) -> tuple[Optimizer | ParamGroups, dict[str, ParamState]]:
    """The optimizer and the state in a ``state_dict``, ours or torch's with its tensors made arrays.

    Without groups the parameters are in the dictionary's order. Options are those that were saved, as in torch; its
    ways of executing (``foreach``, ``fused``, ...) are left out. Whatever is kept but ``step`` gets its parameter's
    dtype, as torch gives it: NAdam's product and ASGD's eta and mu too, which were float32 until then.

    Raises:
        ValueError: other groups, or another number of parameters in one, than the optimizer has.
    """
    groups = optimizer.groups if isinstance(optimizer, ParamGroups) else [(optimizer, list(params))]
    if len(groups) != len(saved["param_groups"]):
        raise ValueError("loaded state dict has a different number of parameter groups")
    members: list[tuple[Optimizer, Collection[str]]] = []
    state: dict[str, ParamState] = {}
    for (member, group_names), group in zip(groups, saved["param_groups"], strict=True):
        if len(group_names) != len(group["params"]):
            raise ValueError(
                "loaded state dict contains a parameter group that doesn't match the size of optimizer's group"
            )
        options = {name: group[name] for name in asdict(member)}
        members.append((type(member)(**options), group_names))
        for name, index in zip(group_names, group["params"], strict=True):
            entries = {key: np.array(value) for key, value in saved["state"].get(index, {}).items()}
            state[name] = {
                key: value if key == "step" else value.astype(params[name].dtype) for key, value in entries.items()
            }
    loaded = ParamGroups(members) if isinstance(optimizer, ParamGroups) else members[0][0]
    return loaded, {name: state[name] for name in params}
