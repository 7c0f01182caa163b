"""AffectNet in both of its layouts."""

import numpy as np
import pytest
import torch
from samples import plain, save

from leed.config import EXPRESSIONS
from leed.data.faces import FaceDataset, load_faces

RED = torch.tensor([255, 0, 0], dtype=torch.uint8)[:, None, None]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_affectnet_list(tmp_path, encoding):
    image = plain((0, 0, 255), (100, 80))
    image.paste((255, 0, 0), (14, 4, 66, 56))  # the face box with its margin
    path = tmp_path / "Manually_Annotated_Images" / "689" / "x.png"
    path.parent.mkdir(parents=True)
    image.save(path)
    header = "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,valence,arousal"
    rows = [f"689/x.png,20,10,40,40,1;2,{label},0.1,0.2" for label in (3, 7, 8, 10)]
    lists = tmp_path / "Manually_Annotated_file_lists"
    lists.mkdir()
    (lists / "training.csv").write_text("\n".join([header, *rows]), encoding=encoding)
    faces = load_faces(tmp_path)
    assert faces["expression"][:] == [EXPRESSIONS.index("surprised"), EXPRESSIONS.index("contemptuous"), -1]
    assert (FaceDataset(faces, 8).images[0] == RED).all()


def test_a_list_without_the_columns_is_refused(tmp_path):
    (tmp_path / "training.csv").write_text("subDirectory_filePath,expression\nx.png,1\n")
    with pytest.raises(ValueError, match=r"training.csv has no columns \['face_height', 'face_width', .*'face_y'\]"):
        load_faces(tmp_path)


def test_affectnet_arrays(tmp_path):
    for folder, labels in (("train_set", (0, 6, 9, 10)), ("val_set", (1,))):
        (tmp_path / folder / "annotations").mkdir(parents=True)
        for number, label in enumerate(labels):
            save(tmp_path / folder / "images" / f"{number}.jpg")
            np.save(tmp_path / folder / "annotations" / f"{number}_exp.npy", np.array(str(label)))
    assert load_faces(tmp_path)["expression"][:] == [0, EXPRESSIONS.index("angry"), -1]
    assert load_faces(tmp_path, split="test")["expression"][:] == [EXPRESSIONS.index("happy")]
