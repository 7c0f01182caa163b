"""What is made of the chosen expression: known mixes, and what is refused."""

import pickle
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
import safetensors.torch
import torch

from leed.demo import engine
from leed.demo.engine import VisitorError
from leed.demo.recipes import SECONDS, ExpressionFileError, Recipe, gallery_expression, saved_expression
from leed.expression import Expression, ExpressionCollection

HAPPY = 30  # the number of a face of the gallery


def same(one: Expression, other: Expression) -> bool:
    difference = (one - other).delta_exp
    return bool(difference.abs().max() < 1e-5 * one.delta_exp.abs().max())


def test_mixes_are_the_sums_that_they_promise(tiny_actions: ModuleType):
    first, second = gallery_expression(HAPPY), engine.editor().leed.expressions["angry"]
    for recipe, expected in (
        (Recipe(HAPPY), first),
        (Recipe(HAPPY, region="mouth"), first.at("mouth")),
        (Recipe(HAPPY, second="angry", share=0.4), 0.6 * first + 0.4 * second),
        (Recipe(HAPPY, second="angry", share=0.0), first),
        (Recipe(HAPPY, second="angry", share=1.0), second),
        (Recipe(HAPPY, second="angry", second_region="eyes", share=1.0), first.at("mouth") + second.at("eyes")),
        (
            Recipe(HAPPY, region="mouth", second="angry", second_region="eyes"),
            first.at("mouth") + second.at("eyes") / 2,
        ),
        (Recipe(HAPPY, region="left", second="angry", second_region="left"), (first / 2 + second / 2).at("left")),
    ):
        assert same(recipe.expression(), expected), recipe
    assert not same(first, second)


def test_every_expression_but_neutral_can_be_mixed_in(tiny_actions: ModuleType):
    assert len(SECONDS) == 16 and set(SECONDS) - {"none"} == set(engine.editor().leed.expressions) - {"neutral"}
    one = Recipe(HAPPY, second="sad", share=0.3).expression()
    assert torch.isfinite(one.delta_exp).all() and one != Recipe(HAPPY, second="sad", share=0.6).expression()


def save(expression: Expression, folder: Path, **options: str) -> str:
    return str(expression.save(folder / "mine.safetensors", **options))


def test_a_saved_expression_holds_the_mix_and_is_the_same_again(tiny_actions: ModuleType):
    path = tiny_actions.save_expression(HAPPY, None, False, "mouth", "angry", "eyes", 0.7)
    assert path.name == "leed-happy-at-mouth-with-0-7-angry-at-eyes.safetensors"
    expected = Recipe(HAPPY, region="mouth", second="angry", second_region="eyes", share=0.7).expression()
    assert saved_expression(str(path)) == expected == Recipe(saved_expression=str(path)).expression()
    again = tiny_actions.save_expression(0, None, False, "left", saved_expression=str(path))
    assert saved_expression(str(again)) == expected.at("left")
    assert saved_expression(str(again)).name == "happy at mouth with 0.7 angry at eyes at left"
    assert set(path.parent.iterdir()) == {path}


def test_files_that_hold_nothing_of_use_are_refused_with_the_reason(
    tiny_actions: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    happy = gallery_expression(HAPPY)

    def refusal(content: bytes) -> str:
        (file := tmp_path / f"{hash(content)}.safetensors").write_bytes(content)
        with pytest.raises(ExpressionFileError) as raised:
            saved_expression(str(file))
        assert str(tmp_path) not in str(raised.value) and len(str(raised.value)) < 400
        return str(raised.value)

    def content(expression: Expression, **options: str) -> bytes:
        return Path(save(expression, tmp_path, **options)).read_bytes()

    whole = content(happy)
    assert "damaged, or of another kind" in refusal(b"") == refusal(whole[:-5]) == refusal(pickle.dumps(whole))
    assert "it does not match its sha256 digest" in refusal(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert "made by another model" in refusal(content(replace(happy, model=64 * "0")))
    assert "must be of shape (B, 16) for this model" in refusal(content(Expression(torch.ones(1, 3))))
    assert "times as strong as the gallery's 'surprised'" in refusal(content(100 * happy))
    assert "it holds no expressions" in refusal(safetensors.torch.save({"x": torch.ones(1)}))
    several = ExpressionCollection({f"{i}".zfill(90): happy for i in range(9)}).save_pretrained(tmp_path / "several")
    assert "it holds 9 expressions" in refusal((several / "expressions.safetensors").read_bytes())
    monkeypatch.setattr("leed.demo.recipes.MAX_FILE_BYTES", 2**20)
    assert refusal(bytes(2**20 + 1)) == "A saved expression has at most 1 MB: please give another file."
    with pytest.raises(ExpressionFileError, match="Your saved expression was deleted after an hour"):
        saved_expression(str(tmp_path / "none.safetensors"))
    with pytest.raises(VisitorError, match="please give one of them"):
        Recipe(own_reference="a.jpg", saved_expression="b.safetensors").expression()
