"""Several processes on one or several hosts: who shares a host, and whether all have the same."""

import os
from typing import TypeVar

from accelerate.utils import gather_object

Value = TypeVar("Value")


def processes_on_host(num_processes: int) -> int:
    """How many of a run's processes share this host: what torchrun says, or without it all of them."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", num_processes))


def agreed(values: dict[str, Value | None], cure: str) -> dict[str, Value]:
    """The values, by what they are, that all processes have; None for what a process does not know.

    All processes raise the same `ValueError` if some differ: it names the first two that do, and the cure.
    """
    found: dict[str, Value] = {}
    owner: dict[str, int] = {}
    for rank, others in enumerate(gather_object([values])):
        for name, value in others.items():
            if value is None:
                continue
            if name in found and found[name] != value:
                raise ValueError(
                    f"the processes of this run do not agree on {name}: process {owner[name]} has {found[name]}, "
                    f"process {rank} has {value}; {cure}"
                )
            found[name] = value
            owner.setdefault(name, rank)
    return found
