"""The model card of a training run: the model, its data and recipe, and the figures that came out."""

import re

from huggingface_hub import ModelCard, ModelCardData

from leed.training.stage import Stage

TEMPLATE = """---
{{ card_data }}
---

# {{ name }}

{{ what[0] | upper }}{{ what[1:] }}, part of LEED: label-free facial expression editing
([paper](https://arxiv.org/abs/2007.08971)).

```python
from leed import {{ model_type }}

model = {{ model_type }}.from_pretrained(".")  # the folder of this card
```

## Data

Trained on {{ num_train }} faces of `{{ dataset }}`; the figures below are on {{ num_held_out }} faces of people
left out of training. Whether these weights may be shared depends on the licence of those faces: this card claims
none.

## Figures

| figure | value | meaning |
| --- | --- | --- |
{%- for figure, value, meaning in figures %}
| {{ figure }} | {{ "%.4f" | format(value) }} | {{ meaning }} |
{%- endfor %}

They come from the run itself, to choose and compare runs. They say nothing about other cameras, ages or skin colours.

## Recipe

{{ steps }} updates with `train_accelerate.py`, stage `{{ stage }}`:

| setting | value |
| --- | --- |
{%- for setting, value in settings %}
| {{ setting }} | {{ value }} |
{%- endfor %}

## Use and limits

Aligned, nearly frontal faces, cropped as the training faces were. Use it on photographs of people only with their
consent, and say that a picture was edited. It is not meant to deceive, nor to judge what anybody feels.
"""


def training_card(
    stage: Stage,
    name: str,
    *,
    dataset: str,
    num_train: int,
    num_held_out: int,
    steps: int,
    figures: dict[str, float],
    settings: dict[str, object],
) -> ModelCard:
    """The card of the model of a stage, called `name`; `settings` are the run's, by name.

    It says how to load the model from the folder it lies in; `addressed` says how to load it from the Hub. Figures of
    one of several sets are named `<set>/<figure>`.
    """
    meanings = {figure: stage.figures.get(figure.rpartition("/")[2], "") for figure in figures}
    data = ModelCardData(
        library_name="leed",
        pipeline_tag=stage.task,
        tags=["facial-expression-editing", "model_hub_mixin", "pytorch_model_hub_mixin"],
    )
    return ModelCard.from_template(
        data,
        template_str=TEMPLATE,
        name=name,
        what=stage.title,
        model_type=stage.model_class.__name__,
        stage=stage.name,
        dataset=dataset,
        num_train=num_train,
        num_held_out=num_held_out,
        steps=steps,
        figures=[(figure, value, meanings[figure]) for figure, value in figures.items()],
        settings=sorted(settings.items()),
    )


def model_name(name: str, stage: str) -> str:
    """The name of a stage's model in a run whose editor is called `name`."""
    return name if stage == "leed" else f"{name}-{stage}"


def addressed(card: str, repo_id: str) -> str:
    """The text of a card with `repo_id`, "owner/name", as the model to load."""
    return re.sub(r'from_pretrained\(".*', f'from_pretrained("{repo_id}")', card)
