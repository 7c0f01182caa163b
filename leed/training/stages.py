"""All stages by name. A new one is a file beside this and a line here."""

from leed.training.classifier import ClassifierStage
from leed.training.editor import EditorStage
from leed.training.ganimation import GANimationStage
from leed.training.neutralizer import NeutralizerStage
from leed.training.stage import Stage
from leed.training.stargan import StarGANStage
from leed.training.upper import UpperStage

LEED_STAGES: tuple[type[Stage], ...] = (ClassifierStage, NeutralizerStage, EditorStage)
"""The stages of `--stage all`, in their order: each needs the models before it."""

ON_TOP: tuple[type[Stage], ...] = (UpperStage,)
"""Stages that go on from the model of `--stage all`."""

BASELINES: tuple[type[Stage], ...] = (StarGANStage, GANimationStage)
"""Stages of their own: the models that the paper compares LEED with."""

STAGES: dict[str, type[Stage]] = {stage.name: stage for stage in (*LEED_STAGES, *ON_TOP, *BASELINES)}


def stages_named(name: str) -> tuple[type[Stage], ...]:
    """The stage of a name, or of "all" those of LEED. Raises `ValueError` for any other name."""
    if name == "all":
        return LEED_STAGES
    if name not in STAGES:
        raise ValueError(f"stage must be one of {(*STAGES, 'all')}, got {name!r}")
    return (STAGES[name],)
