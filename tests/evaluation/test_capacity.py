"""What holds edits back, on drawn faces and a small model."""

import json
from pathlib import Path

import pytest
import torch

from leed import LEED
from leed.evaluation import capacity


def test_principal_axes_of_expressions_in_a_plane() -> None:
    """Two axes hold expressions that vary in two directions, one does not; the neutral face stays at zero."""
    generator = torch.Generator().manual_seed(0)
    plane = torch.linalg.qr(torch.randn(8, 2, generator=generator)).Q.T
    delta_exp = torch.randn(20, 2, generator=generator) * torch.tensor([3.0, 1.0]) @ plane + 2 * plane[1]
    axes = capacity.principal_axes(delta_exp)
    assert torch.allclose(capacity.reduced(delta_exp, axes, 2), delta_exp, atol=1e-5)
    assert (capacity.reduced(delta_exp, axes, 1) - delta_exp).norm() > 1
    assert not capacity.reduced(torch.zeros(1, 8), axes, 3).any()


def test_fit_finds_the_expression_that_a_face_was_made_with(lively_leed: LEED) -> None:
    generator = torch.Generator().manual_seed(0)
    config = lively_leed.config
    neutral = torch.randint(90, 160, (2, 3, config.image_size, config.image_size), generator=generator).byte()
    wanted = torch.randn(2, config.delta_size, generator=generator)
    rows = slice(0, 2)
    made = capacity.Rebuilding(lively_leed, neutral, neutral).rebuilt(rows, wanted).detach().clamp(-1, 1)
    rebuilding = capacity.Rebuilding(lively_leed, capacity.denormalize(made), neutral)
    start = 0.3 * wanted
    found = rebuilding.fitted(rows, start, 0.05, steps=40)
    image = rebuilding.faces(rows)[0]
    before, after = ((rebuilding.rebuilt(rows, x) - image).abs().mean() for x in (start, found))
    assert after < 0.5 * before


def test_command(
    evaluation_folders: dict[str, Path], drawn_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    arguments = ["--model", str(evaluation_folders["leed"]), "--dataset_name", str(drawn_folder), "--max_faces", "6"]
    capacity.main([*arguments, "--steps", "2", "--output_dir", str(tmp_path)])
    printed = capsys.readouterr().out
    assert "6 faces" in printed and "fitted to the face" in printed
    written = json.loads((tmp_path / "capacity.json").read_text())
    assert set(written) == {"4 components of it", "8 components of it", "extracted, 16 numbers", "fitted to the face"}
    assert (tmp_path / "capacity.png").exists()
