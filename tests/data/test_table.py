"""The standard table: columns, ranges and names of expressions."""

import pytest
from datasets import Dataset
from samples import png

from leed.config import EXPRESSIONS
from leed.data.faces import FaceDataset
from leed.data.table import expression_index, standard_table


def test_expression_index():
    assert expression_index("Fear") == expression_index(4) == expression_index("4") == EXPRESSIONS.index("fearful")
    assert expression_index(None) == expression_index("unknown") == expression_index("") == -1
    for wrong in ("bored", 8, "-3"):
        with pytest.raises(ValueError, match="unknown expression"):
            expression_index(wrong)


def test_standard_table_refuses_nonsense():
    with pytest.raises(ValueError, match="unknown columns"):
        standard_table(1, image=[png()], mood=[1])
    with pytest.raises(ValueError, match="rows"):
        standard_table(2, image=[png()])
    with pytest.raises(ValueError, match="-1..7"):
        standard_table(1, image=[png()], expression=[8])
    with pytest.raises(ValueError, match="not a standard table"):
        FaceDataset(Dataset.from_dict({"image": [1]}), 16)
