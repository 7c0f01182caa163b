"""Several processes: which of them share a host."""

import os


def processes_on_host(num_processes: int) -> int:
    """How many of a run's processes share this host: what torchrun says, or without it all of them."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", num_processes))
