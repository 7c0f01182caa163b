"""Work that is kept, shared and resumed."""

from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import PartialState, debug_launcher
from samples import ALONE

from leed.evaluation.paper import cache
from leed.evaluation.paper.cache import Shards, remembered


def test_shards_resume_where_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "SHARD", 4)
    made, stops = [], [False] * 20 + [True, False, False]

    def work(rows: np.ndarray) -> dict[str, torch.Tensor]:
        made.append(rows.tolist())
        if stops.pop():
            raise KeyboardInterrupt
        return {"square": torch.from_numpy(rows**2)}

    shards = Shards(tmp_path / "squares", np.arange(14))
    with pytest.raises(KeyboardInterrupt):
        shards.fill(work, ALONE, "squares")
    Shards(tmp_path / "squares", np.arange(14)).fill(work, ALONE, "squares")
    assert made == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11], [8, 9, 10, 11], [12, 13]]
    assert torch.cat(list(shards.read("square"))).tolist() == [i**2 for i in range(14)]
    # More rows reuse whole parts; other content reuses none.
    made.clear()
    Shards(tmp_path / "squares", np.arange(16)).fill(work, ALONE, "squares")
    assert made == [[12, 13, 14, 15]]
    Shards(tmp_path / "squares", np.arange(16) + 1).fill(lambda rows: work(rows[:0]), ALONE, "others")
    assert len(list((tmp_path / "squares").iterdir())) == 4 + 1 + 4


def shared_work(folder: Path) -> None:
    """Two processes fill a table and do tasks; each row and task says which process did it."""
    state = cache.processes()
    cache.SHARD = 2
    shards = Shards(folder / "table", np.arange(7))
    shards.fill(lambda rows: {"by": torch.full((len(rows),), state.process_index)}, state, "table")
    assert torch.cat(list(shards.read("by"))).tolist() == [0, 0, 1, 1, 0, 0, 1]
    tasks = {name: lambda: state.process_index for name in "abc"}
    assert remembered(folder / "tasks", tasks, state, "tasks") == {"a": 0, "b": 1, "c": 0}


@pytest.mark.usefixtures("fresh_accelerator")
def test_a_mac_measures_on_its_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(torch.backends.mps, "is_built", lambda: True)
    assert cache.processes().device == torch.device("cpu")


def test_processes_share_the_work(tmp_path: Path) -> None:
    PartialState._reset_state()  # else they inherit that of this process, which is alone
    debug_launcher(shared_work, (tmp_path,), num_processes=2)
