"""Simulations on disk: they depend on the case and on our own sources, never on what is judged."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import tempfile
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from platformdirs import user_cache_path

import conformance
import reference
from conformance.case import Case
from conformance.tolerance import Precision, Simulation

ENVIRONMENT_VARIABLE = "CONFORMANCE_CACHE"
"""names the folder to use; set to nothing, there is no cache"""


def folder() -> Path | None:
    """Where simulations are kept, None if nowhere."""
    named = os.environ.get(ENVIRONMENT_VARIABLE)
    if named == "":
        return None
    return (Path(named) if named else user_cache_path("recurrent-conformance")) / _sources()[:16]


def simulation(case: Case, precision: Precision, compute: Callable[[], Simulation]) -> Simulation:
    """The simulation of a case, computed unless it is on disk. A file that cannot be read is computed again."""
    where = folder()
    if where is None or case.suite == "sweep":  # a sweep's cases are run once
        return compute()
    path = where / f"{_key(case, precision)}.npz"
    try:
        with open(path, "rb") as file, np.load(file) as stored:  # np.load leaves a damaged file open
            reason = str(stored["inadmissible"])
            sigma = {name[1:]: stored[name] for name in stored if name.startswith("/")}
            return Simulation(sigma, reason or None, bool(stored["bfloat16"]))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        result = compute()
    with contextlib.suppress(OSError):  # a read-only or full disk costs time, not the result
        _store(path, result)
    return result


def _store(path: Path, result: Simulation) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, Any] = {f"/{name}": value for name, value in result.sigma.items()}
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".tmp", delete=False) as file:
        pass
    try:
        with open(file.name, "wb") as target:
            reason = np.array(result.inadmissible or "")
            np.savez(target, inadmissible=reason, bfloat16=np.array(result.bfloat16), **arrays)
        os.replace(file.name, path)
    except OSError:
        os.unlink(file.name)
        raise


def _key(case: Case, precision: Precision) -> str:
    digest = hashlib.sha256(case.id.encode())
    digest.update(json.dumps(dict(case.config), sort_keys=True).encode())
    digest.update(repr(precision.unit).encode())
    for name in case:
        array = case[name]
        digest.update(f"{name} {array.dtype} {array.shape}".encode() + array.tobytes())
    return digest.hexdigest()[:32]


@cache
def _sources() -> str:
    """A hash of all that a simulation depends on but the case."""
    digest = hashlib.sha256(f"{np.__version__} {platform.machine()}".encode())
    own = Path(conformance.__file__).parent
    files = [*Path(reference.__file__).parent.rglob("*.py"), own / "noise.py", own / "tolerance.py", own / "case.py"]
    files += [*(own / "adapters").glob("reference*.py"), own / "adapters/options.py", own / "adapters/switching.py"]
    for path in sorted(files):
        digest.update(path.read_bytes())
    return digest.hexdigest()
