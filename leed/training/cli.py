"""The command line of `train_accelerate.py`, made of the fields of the settings."""

import argparse
import types
import typing
from collections.abc import Callable
from dataclasses import Field, fields, replace
from typing import Any

from leed.config import ModelConfig
from leed.training.config import LossWeights, Recipe, Settings, TrainConfig
from leed.training.stages import STAGES, stages_named

BY_STAGE = {field.name for field in fields(Recipe)}
"""Settings of which each stage has its own default."""


def parse_args(arguments: list[str] | None = None, description: str | None = None) -> Settings:
    """The run's settings: the preset's where they are not given.

    `--weight_<term>` and `--model_<field>` change single weights and sizes. Ends the program with one sentence for
    settings that make no sense.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    add_fields(parser, TrainConfig)
    add_fields(parser, LossWeights, prefix="weight_")
    add_fields(parser, ModelConfig, prefix="model_")
    chosen = parser.parse_args(arguments)
    values: dict[str, Any] = {}

    def given(prefix: str) -> dict[str, Any]:  # Any: values of any option
        return {k.removeprefix(prefix): v for k, v in values.items() if k.startswith(prefix) and v is not None}

    try:
        parser.set_defaults(**stages_named(chosen.stage)[-1].settings(chosen.preset))
        values.update(vars(parser.parse_args(arguments)))
        train = TrainConfig(**{field.name: values[field.name] for field in fields(TrainConfig)})
        stages = stages_named(train.stage)
        for stage in stages:
            stage.check(train)
        weights = replace(stages[-1].loss_weights(train.preset), **given("weight_"))
        model = replace(stages[-1].sizes(train.preset), **given("model_"))
    except ValueError as error:
        parser.error(str(error))
    return Settings(train, weights, model)


def add_fields(parser: argparse.ArgumentParser, kind: type, prefix: str = "") -> None:
    """One option for each field of a dataclass; those with a prefix are None unless they are given."""
    group = parser.add_argument_group(f"{kind.__name__} (--{prefix}...)" if prefix else kind.__name__)
    for field in fields(kind):
        default = None if prefix else field.default
        value_type, choices = value_type_of(field)
        own = "the preset's" if prefix else "the stage's" if field.name in BY_STAGE else field.default
        text = f"{field.metadata['help']} (default: {'none' if own is None else own})".replace("%", "%%")
        if value_type is bool:
            group.add_argument(
                f"--{prefix}{field.name}", action=argparse.BooleanOptionalAction, default=default, help=text
            )
        else:
            metavar = "{" + ",".join(choices) + "}" if choices else None
            group.add_argument(f"--{prefix}{field.name}", type=value_type, default=default, metavar=metavar, help=text)


def value_type_of(field: Field) -> tuple[Callable, tuple[str, ...]]:
    """The function that turns an option's text into a field's value, and the field's choices, if it has any."""
    if field.name == "stage":
        return str, (*STAGES, "all")
    union = typing.get_origin(field.type) in (typing.Union, types.UnionType)
    options = typing.get_args(field.type) if union else (field.type,)
    value_type = next(option for option in options if option is not type(None))
    if typing.get_origin(value_type) is typing.Literal:
        return str, typing.get_args(value_type)
    if typing.get_origin(value_type) is tuple:
        return tuple_of_floats if float in typing.get_args(value_type) else tuple_of_ints, ()
    return value_type, ()


def tuple_of_ints(text: str) -> tuple[int, ...]:
    """`1,1,1,1` as a tuple."""
    return tuple(int(part) for part in text.split(","))


def tuple_of_floats(text: str) -> tuple[float, ...]:
    """`0.5,0.3` as a tuple."""
    return tuple(float(part) for part in text.split(","))
