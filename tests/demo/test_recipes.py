"""What is made of the chosen expression: known mixes, and what is refused."""

from types import ModuleType

import torch

from leed.demo import engine
from leed.demo.recipes import SECONDS, Recipe, gallery_expression
from leed.expression import Expression

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
    assert len(SECONDS) == 8 and set(SECONDS) - {"none"} < set(engine.editor().leed.expressions)
    one = Recipe(HAPPY, second="sad", share=0.3).expression()
    assert torch.isfinite(one.delta_exp).all() and one != Recipe(HAPPY, second="sad", share=0.6).expression()
