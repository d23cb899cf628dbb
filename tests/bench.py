"""Time the reference and the suite as ratios to torch: ``python -m tests.bench``. Stores nothing, judges nothing.

Protocol: both sides in one process, one thread each, in processor time, so that other work on the machine counts
less. A block repeats one side for at least 3 ms; the blocks of all sides alternate, so that a slow moment meets all
of them, and a side's time is the median over its blocks. Caches are therefore warm: alternating single calls would
cost the smallest shapes nearly twice the time. The targets were set with an OpenBLAS kernel that uses AVX-512;
other kernels miss those of large shapes.
"""

from __future__ import annotations

import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np
import torch
from tabulate import tabulate
from threadpoolctl import threadpool_info, threadpool_limits
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from conformance import log
from conformance.cache import ENVIRONMENT_VARIABLE
from reference import gru, lstm, optim, rnn

BLOCK_SECONDS = 3e-3
BLOCKS, QUICK_BLOCKS = 41, 7
DTYPES = ("float32", "float64")

MODULES: dict[str, Any] = {"RNN": rnn, "LSTM": lstm, "GRU": gru}

Call = Callable[[], object]


class Network(NamedTuple):
    """A network, an input to it, and the ratio to torch that the project wants."""

    batch: int
    length: int
    input_size: int
    hidden_size: int
    num_layers: int
    bidirectional: bool
    target: float
    kind: str = "RNN"
    packed: bool = False

    def __str__(self) -> str:
        shape = f"{self.batch} x {self.length} x {self.input_size} -> {self.hidden_size}"
        layers = f", {self.num_layers} layers" if self.num_layers > 1 else ""
        directions = ", 2 directions" if self.bidirectional else ""
        return f"{self.kind} {shape}{layers}{directions}" + (", packed" if self.packed else "")


NETWORKS = (
    Network(1, 3, 2, 4, 1, False, 0.15),
    Network(4, 10, 8, 16, 1, False, 0.15),
    Network(8, 20, 16, 32, 2, True, 0.2),
    Network(64, 100, 128, 256, 2, False, 1.2),
    Network(4, 10, 8, 16, 1, False, 0.15, packed=True),
    Network(8, 20, 16, 32, 2, True, 0.2, packed=True),
    Network(4, 10, 8, 16, 1, False, 0.3, "LSTM"),
    Network(4, 10, 8, 16, 1, False, 0.3, "GRU"),
)

SETS: dict[str, tuple[list[tuple[int, ...]], float]] = {
    "4 of a hidden-4 RNN": ([(4, 2), (4, 4), (4,), (4,)], 0.3),
    "10 of 256 x 256": ([(256, 256)] * 10, 1.3),
    "1 of 4 million": ([(4_000_000,)], 1.6),
}
"""for an optimizer's step: the shapes of its parameters, and the ratio to torch that the project wants"""

LENGTHS_SPREAD = 3
"""in a packed batch, by how many times the longest sequence is longer than the shortest"""

MEMORY_SHAPE = (16, 10_000, 32, 64)
MEMORY_TARGET = 0.75

ALGORITHMS: tuple[tuple[str, dict[str, Any]], ...] = (("SGD", {"momentum": 0.9}), ("Adam", {}), ("RMSprop", {}))


def seconds_per_call(calls: Sequence[Call], blocks: int) -> list[float]:
    """The median time of each call, by the protocol above."""
    repeats = [_repeats(call) for call in calls]
    times: list[list[float]] = [[] for _ in calls]
    for _ in range(blocks):
        for call, count, taken in zip(calls, repeats, times, strict=True):
            taken.append(_block(call, count) / count)
    return [statistics.median(taken) for taken in times]


def _repeats(call: Call) -> int:
    call()  # what only the first call pays, allocations and choices of kernels, is not timed
    count = 1
    while (taken := _block(call, count)) < BLOCK_SECONDS:
        # a little more than proportional, so that no later block falls short
        count = max(count + 1, int(1.2 * count * min(BLOCK_SECONDS / taken, 10)))
    return count


def _block(call: Call, count: int) -> float:
    started = time.process_time()
    for _ in range(count):
        call()
    return time.process_time() - started


def network_calls(network: Network, dtype: str) -> tuple[Call, Call]:
    """Forward and backward to all parameters, the input and h_0, given d_output: torch's and the reference's."""
    input_size, hidden_size, bidirectional = network.input_size, network.hidden_size, network.bidirectional
    sizes, reference = (input_size, hidden_size, network.num_layers), MODULES[network.kind]
    module = getattr(torch.nn, network.kind)(*sizes, bidirectional=bidirectional, dtype=getattr(torch, dtype))
    model = getattr(reference, network.kind)(*sizes, bidirectional=bidirectional)
    params = {name: value.detach().numpy() for name, value in module.named_parameters()}
    rng = np.random.default_rng(0)
    x, h_0, c_0, d_output = (
        rng.standard_normal((rows, network.batch, columns)).astype(dtype)
        for rows, columns in (
            (network.length, input_size),
            (len(model.suffixes), hidden_size),
            (len(model.suffixes), hidden_size),
            (network.length, model.num_directions * hidden_size),
        )
    )
    states = [h_0, c_0][: len(model.state_sizes)]
    leaves = [torch.from_numpy(value).requires_grad_() for value in (x, *states)]
    wanted, upstream = [*leaves, *module.parameters()], torch.from_numpy(d_output)
    initial = leaves[1] if len(states) == 1 else tuple(leaves[1:])
    lengths = np.linspace(network.length, network.length // LENGTHS_SPREAD, network.batch).astype(int)
    in_torch, options = torch.from_numpy(lengths), {"lengths": lengths} if network.packed else {}

    def with_torch() -> object:
        if not network.packed:
            return torch.autograd.grad(module(leaves[0], initial)[0], wanted, upstream)
        output, _ = module(pack_padded_sequence(leaves[0], in_torch), initial)
        return torch.autograd.grad(pad_packed_sequence(output)[0], wanted, upstream)

    def with_reference() -> object:
        *_, cache = reference.forward(model, params, x, *states, **options)
        return reference.backward(model, params, cache, d_output)

    return with_torch, with_reference


def optimizer_calls(
    algorithm: str, options: dict[str, Any], shapes: Sequence[tuple[int, ...]], dtype: str
) -> tuple[Call, Call, Call]:
    """A step of torch's plain loop over the parameters, of the reference, and of the reference in place."""
    rng = np.random.default_rng(0)
    params = {f"p{i}": rng.standard_normal(shape).astype(dtype) for i, shape in enumerate(shapes)}
    grads = {name: rng.standard_normal(value.shape).astype(dtype) for name, value in params.items()}

    tensors = [torch.tensor(value, requires_grad=True) for value in params.values()]
    for tensor, grad in zip(tensors, grads.values(), strict=True):
        tensor.grad = torch.tensor(grad)
    theirs = getattr(torch.optim, algorithm)(tensors, **options, foreach=False)

    ours: optim.Optimizer = getattr(optim, algorithm)(**options)
    plain = params, ours.init(params)
    # in place from the second step on: the first creates the state
    own = ours.step(params, grads, ours.init(params))

    def step() -> None:
        nonlocal plain
        plain = ours.step(plain[0], grads, plain[1])

    return theirs.step, step, lambda: ours.step(own[0], grads, own[1], out=own)


def print_networks(blocks: int) -> None:
    rows = []
    for network in NETWORKS:
        for dtype in DTYPES:
            theirs, ours = seconds_per_call(network_calls(network, dtype), blocks)
            verdict = "met" if ours / theirs <= network.target else "missed"
            rows.append((str(network), dtype, theirs * 1e6, ours * 1e6, ours / theirs, network.target, verdict))
    headers = ["network, batch x length x input -> hidden", "dtype", "torch us", "reference us", "ratio", "target", ""]
    _print_table("Forward and backward over torch's module and autograd", rows, headers)


def print_optimizers(blocks: int) -> None:
    rows = []
    for label, (shapes, target) in SETS.items():
        for algorithm, options in ALGORITHMS:
            for dtype in DTYPES:
                calls = optimizer_calls(algorithm, options, shapes, dtype)
                theirs, plain, in_place = seconds_per_call(calls, blocks)
                ratios = plain / theirs, in_place / theirs
                verdict = "met" if max(ratios) <= target else "in place" if ratios[1] <= target else "missed"
                rows.append(
                    (label, algorithm, dtype, theirs * 1e6, plain * 1e6, in_place * 1e6, *ratios, target, verdict)
                )
    headers = ["parameters", "algorithm", "dtype", "torch us", "plain us", "out= us", "plain", "out=", "target", ""]
    _print_table("Optimizer step over torch's with foreach=False", rows, headers)


def print_memory() -> None:
    rows: list[tuple[object, ...]] = []
    for dtype in DTYPES:
        theirs, ours = (_peak(side, dtype) for side in ("torch", "reference"))
        verdict = "met" if ours / theirs <= MEMORY_TARGET else "missed"
        rows.append((dtype, theirs / 2**20, ours / 2**20, ours / theirs, MEMORY_TARGET, verdict))
    batch, length, input_size, hidden_size = MEMORY_SHAPE
    title = f"Peak memory of forward and backward, RNN {batch} x {length} x {input_size} -> {hidden_size}"
    _print_table(title, rows, ["dtype", "torch MiB", "reference MiB", "ratio", "target", ""])


def _peak(side: str, dtype: str) -> int:
    """Bytes above what the process held before, in a process of its own."""
    command = [sys.executable, "-m", "tests.bench", "--peak", side, "--peak-dtype", dtype]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def print_peak(side: str, dtype: str) -> None:
    """For ``_peak``: both libraries and the inputs are there before the counting begins, and warm.

    Drawing the inputs takes less than either call, so that the peak is the call's.
    """
    for network in (Network(1, 2, *MEMORY_SHAPE[2:], 1, False, 0), Network(*MEMORY_SHAPE, 1, False, 0)):
        call = network_calls(network, dtype)[("torch", "reference").index(side)]
        before = _resident()
        call()
    click.echo(_highest() - before)


def _resident() -> int:
    """Bytes that this process holds now; its peak so far where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return _highest()
    return pages * resource.getpagesize()


def _highest() -> int:
    """The most that this process has held.

    Linux' ``ru_maxrss``, unlike its VmHWM, starts at what the parent held when it started this process.
    """
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        status = ""
    for line in status.splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    # kilobytes but for macOS
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def print_run() -> None:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "conformance", "run", "--out", folder]
        subprocess.run(command, env={**os.environ, ENVIRONMENT_VARIABLE: ""}, stdout=subprocess.DEVNULL, check=False)
        footer = log.read(Path(folder) / "results.jsonl").footer
    row = (footer["cases"], footer["seconds"], footer["torch_seconds"], footer["seconds"] / footer["torch_seconds"])
    headers = ["cases", "seconds", "torch seconds, over all processes", "ratio"]
    _print_table("A standard run without cache over the time inside torch", [row], headers)


def _print_table(title: str, rows: Sequence[Sequence[object]], headers: Sequence[str]) -> None:
    formats = [".1f" if header.endswith("us") else ".2f" for header in headers]
    click.echo(f"\n{title}\n\n{tabulate(rows, headers, floatfmt=formats)}")


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:  # not Linux
        return platform.processor()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())


@click.command(help="Time the reference and the suite as ratios to torch.")
@click.option("--quick", is_flag=True, help="Fewer blocks.")
@click.option("--skip-run", is_flag=True, help="Leave out the run of the whole suite.")
@click.option("--peak", type=click.Choice(["torch", "reference"]), hidden=True)
@click.option("--peak-dtype", type=click.Choice(DTYPES), default=DTYPES[0], hidden=True)
def main(quick: bool, skip_run: bool, peak: str | None, peak_dtype: str) -> None:
    threadpool_limits(1)
    torch.set_num_threads(1)
    if peak:
        print_peak(peak, peak_dtype)
        return
    blocks = QUICK_BLOCKS if quick else BLOCKS
    pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    kernels = ", ".join(f"{pool['internal_api']} {pool['version']} for {pool['architecture']}" for pool in pools)
    click.echo(f"{_processor()}; {kernels}; numpy {np.__version__}; torch {torch.__version__}")
    protocol = f"medians of {blocks} interleaved blocks of at least {BLOCK_SECONDS * 1e3:g} ms of processor time"
    click.echo(f"One process, one thread each, caches warm: {protocol}.")
    print_networks(blocks)
    print_memory()
    print_optimizers(blocks)
    if not skip_run:
        print_run()


if __name__ == "__main__":
    main()
