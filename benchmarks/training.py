"""Times the training of each stage: steps a second, where the time goes, and the share of what the device can do.

    python benchmarks/training.py [--steps 10] [--cpu_time] [--preset small] [--train_batch_size 16]
    python benchmarks/training.py --processes 2 [--stage classifier]

Other options go to `train_accelerate.py`, which runs with its own loop replaced by one that times its steps: the step
is the real one. Without a data set the built-in faces are used; Psi, the neutraliser and the editor are trained in
turn, each for `--steps` after WARM_UP, and the models are thrown away. Medians are printed.

The parts of a step are the loading of its batch, its augmentation, the forward and the backward passes of all
objectives, the optimiser with the moving average, and the rest (clipping, sums of terms). A critic's gradient penalty
differentiates within its forward pass, and counts there.

The achievable rate is the faster one of a large matrix product and a large convolution in the step's own precision,
timed after each step, so that a busy moment meets both. A step's operations are those of its convolutions and matrix
products, forward and backward, the optimiser's included (torch.utils.flop_counter).

With `--processes 2`, one process and two take turns, each process with the threads of `--threads` (default: the cores
shared among the processes), on as many faces each: the ratio of faces a second is how well training spreads. It needs
cores that nobody else uses: else one process may get as much of them as two. With `--cpu_time` it leaves out the time
that the processes wait for each other, and tells only what sharing memory and exchanging gradients costs.

To compare with another version of this repository, give its folder as PYTHONPATH.
"""

import argparse
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # processes that share cores do not spin

import torch
from torch.utils.flop_counter import FlopCounterMode

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT))  # behind PYTHONPATH
import train_accelerate  # noqa: E402

WARM_UP = 2  # steps
PARTS = ("loading", "augmentation", "forward", "backward", "optimiser")
PORT = "LEED_BENCHMARK_PORT"  # in the environment of processes that take turns: where the parent listens
SIDE, CHANNELS, MAP, BATCH = 2048, 256, 32, 16  # of the rulers

Clock = Callable[[], float]
Measured = dict[str, list[float]]
"""Seconds by part of a step, one for each step."""


class Stopwatch:
    """Adds up the seconds spent in parts of a step, by a clock; on a GPU it waits for what was begun."""

    def __init__(self, clock: Clock, device: torch.device) -> None:
        self.clock, self.device = clock, device
        self.seconds: dict[str, float] = defaultdict(float)

    def now(self) -> float:
        """The clock, once the device has done all that it was given."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return self.clock()

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Adds what passes inside to a part."""
        start = self.now()
        yield
        self.seconds[name] += self.now() - start

    def watch(self, owner: Any, method: str, name: str) -> None:
        """Counts all calls of an object's method to a part."""
        call = getattr(owner, method)

        def timed(*arguments: Any, **options: Any) -> Any:
            with self.part(name):
                return call(*arguments, **options)

        setattr(owner, method, timed)

    def watch_forward(self, module: torch.nn.Module, name: str) -> None:
        """Counts a module's forward passes to a part."""
        starts: list[float] = []
        module.register_forward_pre_hook(lambda *_: starts.append(self.now()))
        module.register_forward_hook(lambda *_: self._add(name, starts.pop()))

    def _add(self, name: str, start: float) -> None:
        self.seconds[name] += self.now() - start


def watch_run(run: Any, watch: Stopwatch) -> None:
    """Has a stopwatch follow the parts of a run's steps."""
    watch.watch(run.stage, "inputs", "augmentation")
    for objective in run.objectives.values():
        watch.watch_forward(objective, "forward")
    watch.watch(run.accelerator, "backward", "backward")
    watch.watch(run.optimizer, "step", "optimiser")
    if run.average is not None:
        watch.watch(run.average, "update_parameters", "optimiser")


def endless(loader: Any) -> Iterator[Any]:
    """Batches of one epoch after the other."""
    epoch = 0
    while True:
        if hasattr(loader, "set_epoch"):
            loader.set_epoch(epoch)
        yield from loader
        epoch += 1


def step(run: Any, batches: Iterator[Any], watch: Stopwatch) -> None:
    """One update of the weights, of as many batches as it takes."""
    while True:
        with watch.part("loading"):
            batch = next(batches)
        if run.update(batch, 10**6) is not None:
            return


def rulers(device: torch.device, dtype: torch.dtype) -> dict[str, tuple[Callable[[], object], float]]:
    """A large matrix product and a large convolution, and the operations of each."""
    a, b = torch.randn(2, SIDE, SIDE, device=device, dtype=dtype)
    maps = torch.randn(BATCH, CHANNELS, MAP, MAP, device=device, dtype=dtype).to(memory_format=torch.channels_last)
    kernel = torch.randn(CHANNELS, CHANNELS, 3, 3, device=device, dtype=dtype).to(memory_format=torch.channels_last)
    calls: dict[str, Callable[[], object]] = {
        "matrix product": lambda: a @ b,
        "convolution": lambda: torch.nn.functional.conv2d(maps, kernel, padding=1),
    }
    return {name: (call, count(call)) for name, call in calls.items()}


def count(call: Callable[[], object]) -> float:
    """Operations of the convolutions and matrix products of a call: two for each multiply-add."""
    with FlopCounterMode(display=False) as counter:
        call()
    return counter.get_total_flops()


def dtype_of(run: Any) -> torch.dtype:
    """What a run's networks compute in."""
    return {"bf16": torch.bfloat16, "fp16": torch.float16}.get(run.accelerator.mixed_precision, torch.float32)


@torch.no_grad()
def time_rulers(kept: dict[str, tuple[Callable[[], object], float]], watch: Stopwatch) -> dict[str, float]:
    """The rate of each ruler, in operations a second."""
    rates = {}
    for name, (call, operations) in kept.items():
        start = watch.now()
        call()
        rates[name] = operations / (watch.now() - start)
    return rates


def measure(run: Any, faces: Any, steps: int, clock: Clock) -> None:
    """Times steps of a run, and the rulers in turn, and prints what came out."""
    watch = Stopwatch(clock, run.accelerator.device)
    watch_run(run, watch)
    batches = endless(train_accelerate.make_loader(faces, run.accelerator, run.config))
    for _ in range(WARM_UP):
        step(run, batches, watch)
    operations = count(lambda: step(run, batches, watch))
    kept = rulers(run.accelerator.device, dtype_of(run))
    time_rulers(kept, watch)
    measured: Measured = defaultdict(list)
    rates: Measured = defaultdict(list)
    for _ in range(steps):
        watch.seconds.clear()
        start = watch.now()
        step(run, batches, watch)
        measured["step"].append(watch.now() - start)
        for name in PARTS:
            measured[name].append(watch.seconds[name])
        for name, rate in time_rulers(kept, watch).items():
            rates[name].append(rate)
    if run.accelerator.is_main_process:
        faces_a_step = run.config.train_batch_size * run.accelerator.gradient_accumulation_steps
        print(describe(run.name, measured, rates, operations, faces_a_step), flush=True)


def describe(stage: str, measured: Measured, rates: Measured, operations: float, faces: int) -> str:
    """What was measured of a stage, in three lines."""
    medians = {name: statistics.median(seconds) for name, seconds in measured.items()}
    whole = medians["step"]
    shares = {name: medians[name] / whole for name in PARTS}
    shares["rest"] = 1 - sum(shares.values())
    best = {name: statistics.median(values) for name, values in rates.items()}
    reached = [operations / s / max(two) for s, *two in zip(measured["step"], *rates.values(), strict=True)]
    return (
        f"{stage}: {1 / whole:.3g} steps a second, {faces / whole:.3g} faces of a process "
        f"(a step: {whole * 1000:.0f} ms, quickest {min(measured['step']) * 1000:.0f} ms)\n"
        f"  {', '.join(f'{name} {share:.0%}' for name, share in shares.items())}\n"
        f"  {operations / 1e9:.3g} GFLOP a step at {operations / whole / 1e9:.3g} GFLOP/s: "
        f"{statistics.median(reached):.0%} of what the device achieves "
        f"({', '.join(f'{name} {rate / 1e9:.3g} GFLOP/s' for name, rate in best.items())})"
    )


def serve(turn: Callable[[int], float], parent: TextIO) -> None:
    """Runs as many steps as a line of the parent asks for and tells it the seconds, until it asks for none."""
    while steps := int(parent.readline() or 0):
        print(turn(steps), file=parent, flush=True)


def take_turns(run: Any, faces: Any, clock: Clock) -> None:
    """Runs steps when the parent says so; the first process asks, and all begin together."""
    watch = Stopwatch(clock, run.accelerator.device)
    batches = endless(train_accelerate.make_loader(faces, run.accelerator, run.config))

    def run_steps(wanted: int) -> int:
        """Runs as many steps as the first process wants, and returns their number."""
        steps = torch.tensor(wanted)
        if torch.distributed.is_initialized():
            torch.distributed.broadcast(steps, src=0)
        for _ in range(int(steps)):
            step(run, batches, watch)
        return int(steps)

    def turn(wanted: int) -> float:
        start = watch.now()
        run_steps(wanted)
        return watch.now() - start

    if run.accelerator.is_main_process:
        with socket.create_connection(("127.0.0.1", int(os.environ[PORT]))) as connection:
            serve(turn, connection.makefile("rw"))
        run_steps(0)  # the others end, too
    else:
        while run_steps(0):
            pass


def train_instead(work: Callable[[Any, Any], None], arguments: list[str]) -> None:
    """Runs the trainer into a folder that is thrown away, with this work in the place of its loop."""

    def train(run: Any, faces: Any, held_out: Any) -> dict[str, float]:
        work(run, faces)
        return {}

    loop, train_accelerate.train = train_accelerate.train, train
    try:
        with tempfile.TemporaryDirectory() as folder:
            train_accelerate.main([*arguments, "--output_dir", folder])
    finally:
        train_accelerate.train = loop


def compare(processes: int, threads: int, turns: int, steps: int, arguments: list[str]) -> float:
    """Faces a second of several processes, relative to one's: the median over turns that they take."""
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]
    started: list[subprocess.Popen] = []
    workers: list[TextIO] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        environment = os.environ | {"OMP_NUM_THREADS": str(threads), PORT: str(server.getsockname()[1])}
        if not torch.cuda.is_available():
            environment["ACCELERATE_USE_CPU"] = "true"  # else Accelerate leaves the processes alone
        try:
            for number in (1, processes):
                command = [*launch, str(number), __file__, *arguments]
                started.append(subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL))
                workers.append(accept(server, started[-1]))
            return ratio(workers, processes, turns, steps)
        finally:
            for worker in workers:
                worker.close()
            for process in started:
                process.wait()


def accept(server: socket.socket, worker: subprocess.Popen) -> TextIO:
    """The connection that a worker opens once it is ready. Ends the program if the worker ends before."""
    server.settimeout(1)
    while True:
        try:
            return server.accept()[0].makefile("rw")
        except TimeoutError:
            if worker.poll() is not None:
                raise SystemExit("a process ended before its first step: see above") from None


def ratio(workers: list[TextIO], processes: int, turns: int, steps: int) -> float:
    """Has one process and several take turns, and prints the median seconds of a step of each."""
    seconds: list[list[float]] = [[], []]
    for turn in range(turns + 1):
        for worker, found in zip(workers, seconds, strict=True):
            print(steps, file=worker, flush=True)
            taken = float(worker.readline())
            if turn:  # the first is a warm-up
                found.append(taken / steps)
    alone, several = map(statistics.median, seconds)
    print(f"a step: one process {alone * 1000:.0f} ms, {processes} processes {several * 1000:.0f} ms")
    return statistics.median(processes * one / many for one, many in zip(*seconds, strict=True))


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--steps", type=int, default=10, help="that are timed; with --processes, in each turn")
    parser.add_argument("--turns", type=int, default=7, help="of one process and of several")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--threads", type=int, help="of each process; default: the cores shared among the processes")
    parser.add_argument("--cpu_time", action="store_true", help="time of the processor, for one that others use")
    options, others = parser.parse_known_args(arguments)
    train_accelerate.parse_args(others)  # refuses what it does not know before anything is started

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    threads = options.threads or max(cores // options.processes, 1)
    clock = time.process_time if options.cpu_time else time.perf_counter
    if PORT in os.environ:  # one of those that take turns
        return train_instead(lambda run, faces: take_turns(run, faces, clock), others)
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    print(f"torch {torch.__version__}, {cores} cores, {threads} threads a process{load}")
    if options.processes > 1:
        same = ["--cpu_time"] if options.cpu_time else []
        same += ["--stage", "classifier", *others]
        found = compare(options.processes, threads, options.turns, options.steps, same)
        print(f"{options.processes} processes: {found:.2f} times the faces a second of one")
        return
    torch.set_num_threads(threads)
    train_instead(lambda run, faces: measure(run, faces, options.steps, clock), others)


if __name__ == "__main__":
    main()
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
