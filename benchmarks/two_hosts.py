"""Trains on two hosts, kills one's process, and goes on with checkpoints and data that agree and that do not.

    sudo python benchmarks/two_hosts.py [--steps 12]

The hosts are network namespaces, joined by a pair of virtual cables, so it needs Linux, root and `ip`. Each has an
output folder of its own; Psi of the tiny preset learns from drawn faces, on CPUs, through gloo. Printed are of each
trial the seconds and the last line of each host:

- killed: the process of host 1 gets SIGKILL after its second checkpoint; the seconds until host 0 has ended
- resumed: both go on from their latest checkpoint, to the end
- behind: host 1 has lost its latest checkpoint; both are to refuse
- other data: host 1 has other faces; both are to refuse

The seconds of the others count from when both processes have found each other. A trial that takes longer than LIMIT is
ended.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from safetensors.torch import load_file

from leed.data.readers.drawn import drawn_faces

ROOT = Path(__file__).parents[1]
HOSTS = ("leed-host0", "leed-host1")
CABLE = ("leed-cable0", "leed-cable1")
ADDRESSES = ("10.77.0.1", "10.77.0.2")
LIMIT = 600  # seconds
CHECKPOINTS = Path("checkpoints/classifier")


def ip(*words: str) -> None:
    """Runs `ip` of iproute2."""
    subprocess.run(["ip", *words], check=True)


@contextmanager
def two_namespaces() -> Iterator[None]:
    """Two network namespaces that see each other and nothing else."""
    try:
        for host in HOSTS:
            ip("netns", "add", host)
        ip("link", "add", CABLE[0], "netns", HOSTS[0], "type", "veth", "peer", "name", CABLE[1], "netns", HOSTS[1])
        for host, cable, address in zip(HOSTS, CABLE, ADDRESSES, strict=True):
            ip("-n", host, "addr", "add", f"{address}/24", "dev", cable)
            ip("-n", host, "link", "set", cable, "up")
            ip("-n", host, "link", "set", "lo", "up")
        yield
    finally:
        for host in HOSTS:
            subprocess.run(["ip", "netns", "del", host], stderr=subprocess.DEVNULL)


def start(rank: int, folder: Path, data: Path, arguments: list[str]) -> subprocess.Popen:
    """The launcher of one host, which writes what it prints into `<folder>/log`."""
    launch = ["ip", "netns", "exec", HOSTS[rank], sys.executable, "-m", "torch.distributed.run", "--nnodes", "2"]
    launch += ["--node-rank", str(rank), "--nproc-per-node", "1", "--master-addr", ADDRESSES[0]]
    launch += ["--master-port", "29500", str(ROOT / "train_accelerate.py"), "--stage", "classifier"]
    launch += ["--preset", "tiny", "--dataset_name", str(data), "--train_batch_size", "8"]
    launch += ["--checkpointing_steps", "1", "--checkpoints_total_limit", "9", "--output_dir", str(folder / "run")]
    own = {"HF_HOME": str(folder / "home"), "GLOO_SOCKET_IFNAME": CABLE[rank], "ACCELERATE_USE_CPU": "true"}
    environment = os.environ | own | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    folder.mkdir(exist_ok=True)
    with open(folder / "log", "w") as log:
        return subprocess.Popen([*launch, *arguments], env=environment, stdout=log, stderr=log)


def have_met(folder: Path) -> bool:
    """Whether host 0 has printed the line that follows the making of the process group."""
    return "2 x cpu, mixed precision" in (folder / "log").read_text()


def last_line(folder: Path) -> str:
    """What the trainer said at its end, without the launcher's report of it."""
    lines = [line.strip() for line in (folder / "log").read_text().replace("\r", "\n").splitlines()]
    said = [line for line in lines if line.startswith("train_accelerate.py: ") or "Error: " in line]
    return said[0] if said else next((line for line in reversed(lines) if line), "")


def finish(hosts: list[subprocess.Popen], since: float) -> list[float | None]:
    """The seconds until each launcher has ended; None for one that had to be ended."""
    seconds: list[float | None] = [None, None]
    while None in seconds and time.monotonic() - since < LIMIT:
        for rank, host in enumerate(hosts):
            if seconds[rank] is None and host.poll() is not None:
                seconds[rank] = time.monotonic() - since
        time.sleep(0.1)
    for host in hosts:
        if host.poll() is None:
            for process in [*psutil.Process(host.pid).children(recursive=True), host]:
                process.kill()
    return seconds


def report(trial: str, hosts: list[subprocess.Popen], folders: list[Path], since: float) -> None:
    """Waits for both hosts and prints what became of them."""
    seconds = finish(hosts, since)
    print(f"{trial} (load {os.getloadavg()[0]:.1f})")
    for rank, (host, folder, taken) in enumerate(zip(hosts, folders, seconds, strict=True)):
        ended = f"ended after {taken:.1f} s" if taken is not None else f"HUNG for {LIMIT} s"
        print(f"  host {rank} {ended}, exit status {host.wait()}: {last_line(folder)}", flush=True)


def kill_one(folders: list[Path], data: Path, arguments: list[str]) -> None:
    """Kills the training process of host 1, its launcher not, after its second checkpoint."""
    hosts = [start(rank, folder, data, arguments) for rank, folder in enumerate(folders)]
    limit = time.monotonic() + LIMIT
    second = folders[1] / "run" / CHECKPOINTS / "step-0000002"
    while not second.exists() and time.monotonic() < limit and all(host.poll() is None for host in hosts):
        time.sleep(0.05)
    if second.exists():
        children = psutil.Process(hosts[1].pid).children(recursive=True)
        trainer = next(child for child in children if str(ROOT / "train_accelerate.py") in child.cmdline())
        os.kill(trainer.pid, signal.SIGKILL)
    report("killed", hosts, folders, time.monotonic())


def go_on(trial: str, folders: list[Path], data: list[Path], arguments: list[str]) -> None:
    """Resumes on both hosts."""
    since = time.monotonic()
    more = [*arguments, "--resume_from_checkpoint", "latest"]
    hosts = [start(rank, folders[rank], data[rank], more) for rank in (0, 1)]
    while not have_met(folders[0]) and all(host.poll() is None for host in hosts):
        time.sleep(0.1)
    report(f"{trial}, both there after {time.monotonic() - since:.1f} s", hosts, folders, time.monotonic())


def main() -> None:
    """All trials, in their order."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=12)
    arguments = ["--max_train_steps", str(parser.parse_args().steps)]
    with tempfile.TemporaryDirectory() as name, two_namespaces():
        place = Path(name)
        folders, faces, others = [place / "host0", place / "host1"], place / "faces", place / "others"
        for folder, first in ((faces, 0), (others, 100)):
            folder.mkdir()
            drawn_faces(6, 8, size=32, first=first).to_parquet(folder / "train-00000.parquet")

        kill_one(folders, faces, arguments)
        go_on("resumed", folders, [faces, faces], arguments)
        models = [load_file(folder / "run" / "classifier" / "model.safetensors") for folder in folders]
        same = all(bool((models[0][name] == models[1][name]).all()) for name in models[0])
        print(f"  both hosts have the same model: {same}", flush=True)

        for folder in folders:
            shutil.rmtree(folder / "run" / "classifier")
        shutil.rmtree(sorted((folders[1] / "run" / CHECKPOINTS).glob("step-*"))[-1])
        go_on("behind", folders, [faces, faces], arguments)
        go_on("other data", folders, [faces, others], arguments)


if __name__ == "__main__":
    main()
