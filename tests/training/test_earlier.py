"""Starting from another run's models."""

from dataclasses import replace
from pathlib import Path

import pytest

from leed import Neutralizer
from leed.config import TINY
from leed.training.earlier import load_start


@pytest.mark.parametrize("cells", [(2, 4), (4, 2)], ids=str)
def test_a_start_of_other_sizes_is_refused_by_their_names(tmp_path: Path, cells: tuple[int, int]):
    """Also those that a config does not write down where they are as they were before it knew them."""
    start, model = (Neutralizer(replace(TINY, flow_cells=count)) for count in cells)
    start.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=rf"other sizes: flow_cells {cells[0]} and {cells[1]}$"):
        load_start(model, str(tmp_path))
