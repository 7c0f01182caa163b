"""The command line of `train_accelerate.py`, made of the fields of the settings."""

import argparse
import contextlib
import dataclasses
import inspect
import re
import types
import typing
from collections.abc import Iterator
from typing import NamedTuple

from leed.config import ModelConfig
from leed.training.config import (
    STAGE_DEFAULTS,
    LossWeights,
    TrainConfig,
    stage_sizes,
    stage_weights,
)


class Settings(NamedTuple):
    """All that a run is given: its training settings, the weights of its loss terms and the sizes of its networks."""

    train: TrainConfig
    weights: LossWeights
    model: ModelConfig

    def to_dict(self) -> dict[str, dict]:
        """Plain values, without the Hub's token."""
        train = dataclasses.asdict(self.train)
        del train["hub_token"]
        return {"train": train, "weights": dataclasses.asdict(self.weights), "model": self.model.to_dict()}


def tuple_of_ints(text: str) -> tuple[int, ...]:
    """`1,1,1,1` as a tuple."""
    return tuple(int(part) for part in text.split(","))


def comments_of(kind: type) -> dict[str, str]:
    """What the comments beside the fields of a dataclass say, by the fields' names; nothing if its source is lost."""
    try:
        source = inspect.getsource(kind)
    except OSError:
        return {}
    return dict(re.findall(r"^    (\w+): .*?  # (.+)$", source, re.MULTILINE))


def add_fields(parser: argparse.ArgumentParser, kind: type, prefix: str = "") -> None:
    """One option for each field of a dataclass; those with a prefix are None unless they are given."""
    group = parser.add_argument_group(f"{kind.__name__} (--{prefix}...)" if prefix else kind.__name__)
    comments = comments_of(kind)
    for field in dataclasses.fields(kind):
        option, default = f"--{prefix}{field.name}", None if prefix else field.default
        options = typing.get_args(field.type) if isinstance(field.type, types.UnionType) else (field.type,)
        value_type = next(option_type for option_type in options if option_type is not type(None))
        if typing.get_origin(value_type) is tuple:
            value_type = tuple_of_ints
        own = "the preset's" if prefix else "the stage's" if field.name in STAGE_DEFAULTS["leed"] else field.default
        text = f"{comments.get(field.name, '')} (default: {'none' if own is None else own})".replace("%", "%%")
        if value_type is bool:
            group.add_argument(option, action=argparse.BooleanOptionalAction, default=default, help=text)
        else:
            group.add_argument(option, type=value_type, default=default, help=text)


def parse_args(arguments: list[str] | None = None) -> Settings:
    """The run's settings. `--weight_<term>` and `--model_<field>` change single values of the preset."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    add_fields(parser, TrainConfig)
    add_fields(parser, LossWeights, prefix="weight_")
    add_fields(parser, ModelConfig, prefix="model_")
    values = vars(parser.parse_args(arguments))

    def given(prefix: str) -> dict:
        return {k.removeprefix(prefix): v for k, v in values.items() if k.startswith(prefix) and v is not None}

    try:
        train = TrainConfig(**{field.name: values[field.name] for field in dataclasses.fields(TrainConfig)})
        weights = dataclasses.replace(stage_weights(train.stage, train.preset), **given("weight_"))
        model = dataclasses.replace(stage_sizes(train.stage, train.preset), **given("model_"))
    except ValueError as error:
        parser.error(str(error))
    return Settings(train, weights, model)


@contextlib.contextmanager
def refusing(*kinds: type[Exception]) -> Iterator[None]:
    """Errors of these kinds end the program with their message alone."""
    try:
        yield
    except kinds as error:
        raise SystemExit(f"train_accelerate.py: {error}") from error
