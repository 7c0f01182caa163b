"""The model card of a training run: what was trained, on what, how, and the figures that came out."""

import re

from huggingface_hub import ModelCard, ModelCardData

TITLES = {
    "classifier": ("ExpressionClassifier", "the expression classifier (Psi)", "image-classification"),
    "neutralizer": ("Neutralizer", "the neutraliser, which renders a face without its expression", "image-to-image"),
    "leed": ("LEED", "the expression editor, with its neutraliser", "image-to-image"),
    "stargan": ("Neutralizer", "the baseline StarGAN, which edits by expression labels", "image-to-image"),
    "ganimation": ("GANimation", "the baseline GANimation, which edits by action units", "image-to-image"),
}

BASELINE_FIGURES = {
    "ssim": "SSIM of the inner face to the true neutral face, of faces made neutral",
    "ssim_unchanged": "the same of the faces themselves",
    "accuracy": "edits on which the given classifier finds the reference's expression",
}

FIGURES = {
    "classifier": {"accuracy": "expressions recognised"},
    "neutralizer": {
        "ssim": "SSIM of the inner face to the true neutral face",
        "left": "difference to the true neutral face that is left, in the 30 % most changed faces; 1: the input's own",
    },
    "leed": {
        "share_own": "way from the neutral face (0) to the face (1), in SSIM of the inner face, of a rebuilt face",
        "share_view": "the same with the expression taken from a second camera's picture of the moment",
        "autoencoded": "SSIM of the inner face of D(E(face)) to the face",
        "accuracy": "edits on which the run's own classifier finds the reference's expression",
        "distance": "distance of an edit's classifier features to the reference's; 1: the neutral face's own",
    },
    "stargan": BASELINE_FIGURES,
    "ganimation": BASELINE_FIGURES,
}

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

Trained on {{ num_train }} faces of `{{ dataset }}`; the figures below are on {{ num_held_out }} faces of people who
were left out of training. Whether these weights may be shared depends on the licence of those faces: this card claims
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
    stage: str,
    name: str,
    *,
    dataset: str,
    num_train: int,
    num_held_out: int,
    steps: int,
    figures: dict[str, float],
    settings: dict[str, object],
) -> ModelCard:
    """Card of the model of a stage, called `name`; `settings` are the run's, by name.

    It says how to load the model from the folder it lies in; `addressed` says how to load it from the Hub.
    """
    model_type, what, pipeline_tag = TITLES[stage]
    data = ModelCardData(
        library_name="leed",
        pipeline_tag=pipeline_tag,
        tags=["facial-expression-editing", "model_hub_mixin", "pytorch_model_hub_mixin"],
    )
    return ModelCard.from_template(
        data,
        template_str=TEMPLATE,
        name=name,
        what=what,
        model_type=model_type,
        stage=stage,
        dataset=dataset,
        num_train=num_train,
        num_held_out=num_held_out,
        steps=steps,
        figures=[(figure, value, FIGURES[stage].get(figure, "")) for figure, value in figures.items()],
        settings=sorted(settings.items()),
    )


def addressed(card: str, repo_id: str) -> str:
    """The text of such a card with `repo_id`, "owner/name", as what to load."""
    return re.sub(r'from_pretrained\(".*', f'from_pretrained("{repo_id}")', card)
