"""Expressions as things: the algebra has known answers, files keep every bit, other models' are refused."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import safetensors.torch
import torch
from safetensors import safe_open

from leed import LEED, Expression, ExpressionCollection, between, gallery
from leed.config import TINY
from leed.expression import FILE
from leed.gallery.expressions import GalleryExpressions
from leed.pretrained import ModelFileError, tensors_digest
from leed.uploading import upload

OURS, THEIRS = "a" * 64, "b" * 64


def expression(seed: int = 0, count: int = 1, model: str | None = OURS) -> Expression:
    return Expression(torch.randn(count, TINY.delta_size, generator=torch.Generator().manual_seed(seed)), model)


X, Y, Z = (expression(seed) for seed in range(3))


def close(a: Expression, b: Expression) -> bool:
    return a.model == b.model and torch.allclose(a.delta_exp, b.delta_exp, atol=1e-6)


def test_the_algebra_has_known_answers() -> None:
    zero = 0 * X
    assert not zero.delta_exp.any() and X + zero == X and X + 0 * Y == X and zero == X - X
    assert X + Y == Y + X and 0.6 * X + 0.4 * Y == 0.4 * Y + 0.6 * X
    assert close((X + Y) + Z, X + (Y + Z)) and close(2 * (X + Y), 2 * X + 2 * Y)
    assert -X == -1 * X and X - Y == X + (-1 * Y) and X / 2 == 0.5 * X and X * 2 == X + X
    assert sum([X, Y, Z]) == X + Y + Z


def test_between_and_mean() -> None:
    assert between(X, Y, 0) == X and between(X, Y, 1) == Y
    assert close(between(X, Y, 0.25), 0.75 * X + 0.25 * Y)
    assert close(Expression.mean([X, Y, Z]), (X + Y + Z) / 3) and Expression.mean([X]) == X
    batch = expression(count=4)
    assert close(Expression.mean(batch), Expression(batch.delta_exp.mean(0, keepdim=True), OURS))
    with pytest.raises(ValueError, match="mean of no expressions"):
        Expression.mean([])
    with pytest.raises(ValueError, match=r"must be in \[0, 1\], got 1.5"):
        between(X, Y, 1.5)


def test_batches_mix_with_one_or_with_as_many() -> None:
    batch = expression(count=3)
    assert len(batch + X) == 3 and (batch + X)[1] == batch[1] + X and (X + batch)[2] == batch[2] + X
    assert [len(one) for one in batch] == [1, 1, 1] and batch[-1] == batch[2]
    with pytest.raises(ValueError, match="cannot be mixed: expected"):
        batch + expression(count=2)
    with pytest.raises(IndexError):
        batch[3]


def test_what_cannot_be_mixed_is_refused() -> None:
    with pytest.raises(ValueError, match="expressions of two models cannot be mixed: .*aaaaaaaa.*bbbbbbbb"):
        X + expression(model=THEIRS)
    with pytest.raises(ValueError, match="cannot be mixed: expected those of one model"):
        X + Expression(torch.zeros(1, 3))
    for number in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="a finite number"):
            number * X
    for wrong in (lambda: X + 1, lambda: X * Y, lambda: X * "2", lambda: X / Y):
        with pytest.raises(TypeError):
            wrong()
    assert (X + expression(1, model=None)).model == OURS  # of a model in memory: it cannot be told


def test_a_mix_is_something_new() -> None:
    named = Expression(X.delta_exp, OURS, "wistful", "Ann")
    assert named == X and hash(named) == hash(X) and named != Y and named != Expression(X.delta_exp, THEIRS)
    assert (named + Y).name is None and named[0].maker == "Ann"
    assert repr(named) == "<Expression wistful, made by Ann, model aaaaaaaa>"
    assert repr(Expression(X.delta_exp)) == f"<Expression (1, {TINY.delta_size}), of an unsaved model>"


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_saved_and_loaded_the_same_bits(tmp_path: Path, dtype: torch.dtype) -> None:
    mix = (0.3 * X + 0.7 * Y).like(torch.zeros(1, dtype=dtype))
    path = mix.save(tmp_path / "moods" / "wistful.safetensors", maker="Ann")
    loaded = Expression.load(path)
    assert loaded == mix and loaded.delta_exp.dtype == dtype and loaded.model == OURS
    assert (loaded.name, loaded.maker) == ("wistful", "Ann")
    assert Expression.load(loaded.save(tmp_path / "other.safetensors")).name == "wistful"
    assert Expression.load(expression(model=None).save(path)).model is None
    with pytest.raises(ValueError, match=r"saved as \*.safetensors, got wistful.pt"):
        mix.save(tmp_path / "wistful.pt")
    with pytest.raises(ValueError, match="NaN"):
        Expression(X.delta_exp * torch.nan).save(path)
    with pytest.raises(ValueError, match="is 3 expressions in one"):
        expression(count=3).save(path)


def altered(path: Path, **changes: str) -> None:
    """Rewrites a file with other metadata."""
    with safe_open(path, framework="pt") as file:
        about, tensors = dict(file.metadata()), {name: file.get_tensor(name) for name in file.keys()}
    path.write_bytes(safetensors.torch.save(tensors, about | changes))


def test_damaged_and_foreign_files_are_refused(tmp_path: Path) -> None:
    path = X.save(tmp_path / "x.safetensors")
    whole = path.read_bytes()
    path.write_bytes(whole[:-3])
    with pytest.raises(ModelFileError, match="no intact safetensors file"):
        Expression.load(path)
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(ModelFileError, match="does not match its sha256"):
        Expression.load(path)
    for changes, message in (
        ({"model": THEIRS}, "does not match its sha256"),
        ({"makers": json.dumps({"x": "Eve"})}, "does not match its sha256"),
        ({"version": "2"}, "of version 2 of its format"),
        ({"format": "weights"}, "holds no expressions"),
    ):
        path.write_bytes(whole)
        altered(path, **changes)
        with pytest.raises(ModelFileError, match=message):
            Expression.load(path)
    with pytest.raises(ModelFileError, match="is missing"):
        Expression.load(tmp_path / "none.safetensors")


@pytest.mark.parametrize(
    ("tensor", "about", "message"),
    [
        (torch.full((1, 16), torch.nan), {}, "has NaN or infinite values"),
        (torch.zeros(1, 16, dtype=torch.int64), {}, "has numbers of torch.int64"),
        (torch.zeros(16), {}, r"of shape \(16,\)"),
        (torch.zeros(3, 16), {}, "is 3 expressions in one"),
        (torch.zeros(1, 16), {"makers": "[]"}, "can be used: AttributeError"),
        (torch.zeros(1, 16), {"makers": "{"}, "can be used: JSONDecodeError"),
    ],
)
def test_sound_digests_do_not_make_sound_files(
    tensor: torch.Tensor, about: dict[str, str], message: str, tmp_path: Path
) -> None:
    """Anyone can write a digest; visitors of a page give such files."""
    metadata = {"format": "leed-expressions", "version": "1", "model": OURS, "makers": "{}"} | about
    metadata["sha256"] = tensors_digest({"x": tensor}, metadata)
    (path := tmp_path / "x.safetensors").write_bytes(safetensors.torch.save({"x": tensor}, metadata))
    with pytest.raises(ModelFileError, match=message):
        Expression.load(path)


def test_a_collection_is_a_mapping_that_is_saved(tmp_path: Path) -> None:
    moods = ExpressionCollection({"wistful": X, "just so": Expression(Y.delta_exp, None, maker="Ann")})
    assert moods["just so"].model == OURS and moods["wistful"].name == "wistful"
    moods.save_pretrained(tmp_path)
    ExpressionCollection({"one": X, "other": X}).save_pretrained(tmp_path / "twice")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["README.md", FILE, "twice"]
    assert OURS in (tmp_path / "README.md").read_text()
    loaded = ExpressionCollection.from_pretrained(tmp_path)
    assert dict(loaded) == dict(moods) and len(loaded) == 2 and loaded["just so"].maker == "Ann"
    with pytest.raises(KeyError, match="no expression 'joy'; there are just so, wistful"):
        loaded["joy"]
    with pytest.raises(ModelFileError, match="holds 2 expressions"):
        Expression.load(tmp_path / FILE)
    with pytest.raises(ModelFileError, match="could not be fetched from the Hub"):
        ExpressionCollection.from_pretrained("someone/moods", revision="v1")


def test_collections_hold_one_model_s_and_sound_names() -> None:
    with pytest.raises(ValueError, match="two models"):
        ExpressionCollection({"x": X, "y": expression(model=THEIRS)})
    for name in ("", "../x", ".hidden", "a/b", 101 * "a"):
        with pytest.raises(ValueError, match="cannot be an expression's name"):
            ExpressionCollection({name: X})


def test_a_collection_is_uploaded_with_its_card(monkeypatch: pytest.MonkeyPatch) -> None:
    sent = {}

    def fake(folder: Path, repo_id: str, files: tuple[str, ...], **options: object) -> str:
        sent.update(files={name: (folder / name).stat().st_size for name in files}, repo=repo_id, **options)
        return "address"

    monkeypatch.setattr(f"{ExpressionCollection.__module__}.{upload.__name__}", fake)
    assert ExpressionCollection({"x": X}).push_to_hub("ann/moods", private=True) == "address"
    assert sent["repo"] == "ann/moods" and sent["keep"] == "README.md" and sent["private"] is True
    assert sent["files"].keys() == {FILE, "README.md"} and all(sent["files"].values())


def test_models_know_their_expressions(lively_leed: LEED, tmp_path: Path) -> None:
    face = torch.zeros(1, 3, TINY.image_size, TINY.image_size)
    model = LEED(TINY).eval()
    assert model.expression(face).model is None
    model.save_pretrained(tmp_path / "one")
    saved = model.expression(face)
    loaded = LEED.from_pretrained(tmp_path / "one")
    assert saved.model == loaded.digest == loaded.expression(face).model
    assert loaded.train().digest is None  # its weights may change

    lively_leed.save_pretrained(tmp_path / "two")
    other = LEED.from_pretrained(tmp_path / "two")
    for use in (other.prepare, other.edit):
        with pytest.raises(ValueError, match=f"made by another model .its weights begin with {saved.model[:8]}"):
            use(face, saved)
    prepared = other.prepare(face, other.expression(face))
    with pytest.raises(ValueError, match="made by another model"):
        prepared.with_expression(saved)
    with pytest.raises(ValueError, match=r"must be of shape \(B, \d+\) for this model, got \(1, 3\)"):
        other.edit(face, Expression(torch.zeros(1, 3)))


def test_an_upper_level_leaves_expressions_valid(lively_leed: LEED, tmp_path: Path) -> None:
    """One that a model gets, or another one; other weights do not."""
    face = torch.zeros(1, 3, TINY.image_size, TINY.image_size)
    lively_leed.save_pretrained(tmp_path / "plain")
    saved = LEED.from_pretrained(tmp_path / "plain").expression(face)
    for depth in (1, 3):
        leed = LEED(replace(TINY, upper_width=8, upper_eyes_width=8, upper_depth=depth))
        leed.load_state_dict(lively_leed.state_dict(), strict=False)
        leed.save_pretrained(tmp_path / "upper")
        assert LEED.from_pretrained(tmp_path / "upper").digest == leed.digest == saved.model
    leed.edit(face, saved)
    torch.nn.init.ones_(next(leed.decoder.parameters()))
    leed.save_pretrained(tmp_path / "upper")
    with pytest.raises(ValueError, match="made by another model"):
        leed.edit(face, saved)


def test_zero_is_the_neutral_face_and_mixes_are_edits(lively_leed: LEED) -> None:
    faces = torch.rand(2, 3, TINY.image_size, TINY.image_size) * 2 - 1
    face, happy = faces[:1], lively_leed.expression(faces[1:])
    assert torch.equal(lively_leed.edit(face, 0 * happy), lively_leed.edit(face, happy, 0.0))
    torch.testing.assert_close(lively_leed.edit(face, 0.5 * happy), lively_leed.edit(face, happy, 0.5))


def test_the_gallery_s_expressions_by_name(lively_leed: LEED, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leed.gallery.expressions.ALIKE", -1)  # untrained, the model sees no two people alike
    expressions = lively_leed.expressions
    assert list(expressions) == list(gallery.EXPRESSIONS) and expressions is lively_leed.expressions
    sad = expressions["sad"]
    shown = [face for face in gallery.faces(gallery.FRONTAL) if face.expression == "sad"]
    people = [path.stem for path in gallery.portraits()]
    strongest = [max((f for f in shown if f.person == person), key=lambda f: f.intensity) for person in people]
    assert sad == Expression.mean(lively_leed.expression(face.open()) for face in strongest) and sad.name == "sad"
    assert expressions["sad"] is sad and expressions["neutral"] == 0 * sad
    with pytest.raises(KeyError, match="no expression 'joyful'; there are neutral, "):
        expressions["joyful"]


def test_a_one_sided_expression_keeps_its_side() -> None:
    """Of people whose strongest picture shows the rarer side, the strongest of the commoner side counts."""
    shown = [face for face in gallery.faces(gallery.FRONTAL) if face.expression == "contemptuous"]
    strongest = {face.person: face for face in sorted(shown, key=lambda face: face.intensity)}
    rare = {face.path for person, face in strongest.items() if person in ("comp01", "comp06", "comp07")}
    sides = {
        face.open().tobytes(): torch.tensor([[1.0, -1.0 if face.path in rare else 1.0]]) * face.intensity
        for face in shown
    }
    found = GalleryExpressions(lambda image: Expression(sides[image.tobytes()]), Expression(torch.zeros(1, 2)))
    kept = {face.person: face for face in sorted(shown, key=lambda face: face.intensity) if face.path not in rare}
    mean = sum(face.intensity for face in kept.values()) / len(kept)
    torch.testing.assert_close(found["contemptuous"].delta_exp, torch.tensor([[mean, mean]]), rtol=1e-5, atol=0)
