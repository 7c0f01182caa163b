"""Sources that no reader recognises."""

import pytest
from samples import save

from leed.data.faces import load_faces
from leed.data.readers.registry import guess_reader


def test_sources_that_are_nothing(tmp_path):
    with pytest.raises(ValueError, match="does not exist"):
        load_faces(tmp_path / "missing")
    with pytest.raises(ValueError, match="neither parquet files nor pictures"):
        load_faces(tmp_path)
    with pytest.raises(ValueError, match="reader must be one of"):
        load_faces(tmp_path, reader="radboud")


def test_a_description_counts_more_than_names_of_files(tmp_path):
    save(tmp_path / "Rafd090_01_Caucasian_female_angry_frontal.jpg")
    assert guess_reader(tmp_path) == "rafd"
    (tmp_path / "metadata.csv").write_text("file_name\nRafd090_01_Caucasian_female_angry_frontal.jpg")
    assert guess_reader(tmp_path) == "folder"
    assert guess_reader("drawn") == "drawn" and guess_reader("owner/name") == "table"
