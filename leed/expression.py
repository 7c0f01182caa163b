"""Expressions as things: mixed, averaged, saved, loaded and shared.

An expression is a small vector that works on any face, but only with the model that made it: `Expression.model` is
the SHA-256 digest of that model's weights (an upper level's left out). A file of expressions is in safetensors format:
a tensor for each, by name, and in its metadata that digest, the makers and a digest of all this.
"""

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import reduce
from numbers import Real
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any  # of the Hub's options

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from leed.files import atomic_write, atomic_write_all, first_line
from leed.pretrained import CARD, PRECISIONS, ModelFileError, find_folder, tensors_digest
from leed.regions import in_quarters, is_regional, joined, quarters_of
from leed.uploading import upload

SUFFIX = ".safetensors"
FILE = f"expressions{SUFFIX}"
"""The file of a collection."""

FORMAT, VERSION = "leed-expressions", "1"
NAME = re.compile(r"\w[\w .,()+-]{,99}")

COLLECTION_CARD = """---
library_name: leed
tags:
- facial-expression-editing
---

# Expressions for LEED

Facial expressions by name, for label-free expression editing ([paper](https://arxiv.org/abs/2007.08971)). They belong
to the model whose weights, an upper level's left out, have the SHA-256 digest `{model}` and work on any face with it.

```python
from leed import ExpressionCollection

expressions = ExpressionCollection.from_pretrained("organisation/name")  # or a folder
```

{names}

Use them on photographs of people only with their consent.
"""


@dataclass(frozen=True, eq=False, repr=False)
class Expression:
    """An expression taken from references: delta_exp (B, Z), or (B, C, c, c) for a map.

    With one for each quarter of the face (`leed.regions`) it is (B, 4, Z), or (B, 4, C, c, c). `model` is the digest
    of the model that made it, if that is known; `name` and `maker` are for people. Expressions of one model can be
    added, subtracted, and multiplied and divided by numbers; zero is the neutral face. Raises `ValueError` for
    expressions of two models and for numbers that are not finite.

    >>> wistful = 0.6 * happy + 0.4 * sad
    >>> wistful.save("wistful.safetensors")
    """

    delta_exp: Tensor
    model: str | None = None
    name: str | None = None
    maker: str | None = None

    # Algebra. What it returns is something new, so that it has no name.

    def __add__(self, other: "Expression") -> "Expression":
        if not isinstance(other, Expression):
            return NotImplemented
        model = common_model((self, other))
        mine, others = self.delta_exp, other.like(self.delta_exp).delta_exp
        if is_regional(mine) or is_regional(others):
            mine, others = in_quarters(mine), in_quarters(others)
        if mine.shape[1:] != others.shape[1:] or len({len(self), len(other)} - {1}) > 1:
            raise ValueError(
                f"expressions of shapes {tuple(self.delta_exp.shape)} and {tuple(other.delta_exp.shape)} cannot be "
                "mixed: expected those of one model, and as many as the other's or one"
            )
        return Expression(joined(mine + others), model)

    def __radd__(self, other: object) -> "Expression":
        if isinstance(other, int) and other == 0:  # where `sum` begins
            return self
        return NotImplemented

    def __sub__(self, other: "Expression") -> "Expression":
        return self + -other if isinstance(other, Expression) else NotImplemented

    def __neg__(self) -> "Expression":
        return -1 * self

    def __mul__(self, weight: float) -> "Expression":
        if not isinstance(weight, Real):
            return NotImplemented
        if not math.isfinite(weight):
            raise ValueError(f"an expression can be multiplied by a finite number, got {weight}")
        return Expression(joined(self.delta_exp * float(weight)), self.model)

    __rmul__ = __mul__

    def __truediv__(self, divisor: float) -> "Expression":
        return self * (1 / divisor) if isinstance(divisor, Real) else NotImplemented

    @staticmethod
    def mean(expressions: "Iterable[Expression]") -> "Expression":
        """The average, which holds less of any one reference's accidents. Raises `ValueError` if there are none.

        >>> Expression.mean(leed.expression(picture) for picture in pictures)
        """
        several = list(expressions)
        if not several:
            raise ValueError("the mean of no expressions: expected at least one")
        return reduce(lambda a, b: a + b, several) / len(several)

    def at(self, *regions: str) -> "Expression":
        """The expression in one region of the face, "eyes", "mouth", "left" or "right", and none elsewhere.

        With several, in what belongs to all of them. Eyes come with brows, the mouth with cheeks and chin; left and
        right are the person's own. Regional expressions mix as all do. Raises `ValueError` for another region.

        >>> happy.at("mouth") + angry.at("eyes")
        >>> wink.at("eyes", "left")
        """
        kept = torch.tensor(quarters_of(*regions), device=self.delta_exp.device)
        delta_exp = in_quarters(self.delta_exp)
        kept = kept.view(1, -1, *[1] * (delta_exp.ndim - 2))
        return Expression(joined(delta_exp.where(kept, torch.zeros_like(delta_exp))), self.model)

    # A batch.

    def __len__(self) -> int:
        """The number of faces that the expression is for: B."""
        return len(self.delta_exp)

    def __getitem__(self, index: int) -> "Expression":
        """One expression of a batch."""
        number = range(len(self))[index]
        return replace(self, delta_exp=self.delta_exp[number : number + 1])

    def __iter__(self) -> "Iterator[Expression]":
        return (self[i] for i in range(len(self)))

    def __eq__(self, other: object) -> bool:
        """Whether both have the same numbers and the same model; names and makers do not count."""
        if not isinstance(other, Expression):
            return NotImplemented
        return self.model == other.model and torch.equal(self.delta_exp, other.like(self.delta_exp).delta_exp)

    def __hash__(self) -> int:
        return hash(tuple(self.delta_exp.shape))

    def __repr__(self) -> str:
        made = [f"made by {self.maker}"] if self.maker else []
        model = f"model {short(self.model)}" if self.model else "of an unsaved model"
        return f"<{', '.join([f'Expression {self.name or tuple(self.delta_exp.shape)}', *made, model])}>"

    def like(self, code: Tensor) -> "Expression":
        """The same on the device and in the precision of a code: other models' expressions may be elsewhere."""
        return replace(self, delta_exp=self.delta_exp.to(code.device, code.dtype))

    # Files.

    def save(self, path: Path | str, name: str | None = None, maker: str | None = None) -> Path:
        """Writes the expression into a file `*.safetensors`, whole or not at all; returns the path.

        The name is by default the expression's own, else the file's.
        """
        path = Path(path)
        if path.suffix != SUFFIX:
            raise ValueError(f"expressions are saved as *{SUFFIX}, got {path.name}")
        named = replace(self, name=name or self.name or path.stem, maker=maker or self.maker)
        content = file_of(ExpressionCollection({str(named.name): named}))
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, lambda partial: partial.write_bytes(content))
        return path

    @classmethod
    def load(cls, path: Path | str) -> "Expression":
        """The expression in a file, on the CPU. Raises `ModelFileError` if it is not intact or holds several."""
        found = read_file(Path(path))
        if len(found) != 1:
            raise ModelFileError(
                f"{path} holds {len(found)} expressions ({', '.join(found)}): give its folder to "
                "ExpressionCollection.from_pretrained and choose one by its name."
            )
        return next(iter(found.values()))


def between(first: Expression, second: Expression, share: float) -> Expression:
    """The expression at a share of the way from the first (0) to the second (1). Raises `ValueError` elsewhere."""
    if not 0 <= share <= 1:
        raise ValueError(f"the share of the way must be in [0, 1], got {share}")
    return (1 - share) * first + share * second


def common_model(expressions: Iterable[Expression]) -> str | None:
    """The digest of the model of all expressions whose model is known. Raises `ValueError` if there are two."""
    models = sorted({expression.model for expression in expressions if expression.model is not None})
    if len(models) > 1:
        raise ValueError(
            f"expressions of two models cannot be mixed: the weights of one begin with {short(models[0])}, those of "
            f"the other with {short(models[1])} (SHA-256). Make both anew with one model, from their references"
        )
    return models[0] if models else None


def short(digest: str) -> str:
    """The first digits of a digest, for people."""
    return digest[:8]


class ExpressionCollection(Mapping[str, Expression]):
    """Expressions of one model by name, which live in a folder or on the Hub.

    >>> ExpressionCollection({"wistful": 0.6 * happy + 0.4 * sad}).save_pretrained("moods")
    >>> moods = ExpressionCollection.from_pretrained("moods")  # or "organisation/name"
    >>> leed.edit(face, moods["wistful"])
    """

    def __init__(self, expressions: Mapping[str, Expression]) -> None:
        """Raises `ValueError` for expressions of two models, for several in one, and for names that no file has."""
        for name, expression in expressions.items():
            if not NAME.fullmatch(name):
                raise ValueError(f"{name!r} cannot be an expression's name: use up to 100 letters, digits, ' .,()+-_'")
            if len(expression) != 1:
                raise ValueError(f"{name} is {len(expression)} expressions in one: save each of them, or their mean")
        self.model = common_model(expressions.values())
        self._expressions = {
            name: replace(expression, name=name, model=self.model) for name, expression in expressions.items()
        }

    def __getitem__(self, name: str) -> Expression:
        if name not in self._expressions:
            raise KeyError(unknown(name, self._expressions))
        return self._expressions[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._expressions)

    def __len__(self) -> int:
        return len(self._expressions)

    def __repr__(self) -> str:
        return f"<ExpressionCollection {', '.join(self)}>"

    def save_pretrained(self, folder: Path | str) -> Path:
        """Writes `expressions.safetensors` and, where there is none, a card `README.md`; returns the folder."""
        folder = Path(folder)
        files = {FILE: file_of(self)}
        if not (folder / CARD).exists():
            names = "\n".join(f"- {name}" for name in self)
            files[CARD] = COLLECTION_CARD.format(model=self.model or "not known", names=names).encode()
        atomic_write_all(folder, files)
        return folder

    def push_to_hub(self, repo_id: str, **options: Any) -> str:
        """Uploads the collection in one commit and returns its address; options are those of `upload`.

        A card that the repository has is kept.
        """
        with TemporaryDirectory() as folder:
            self.save_pretrained(folder)
            options = {"commit_message": "Push expressions"} | options
            return upload(Path(folder), repo_id, (FILE, CARD), keep=CARD, **options)

    @classmethod
    def from_pretrained(
        cls,
        name: Path | str,
        *,
        revision: str | None = None,
        token: str | bool | None = None,
        cache_dir: str | Path | None = None,
        local_files_only: bool = False,
        force_download: bool = False,
    ) -> "ExpressionCollection":
        """The collection of a folder, or of "organisation/name" on the Hub. Raises `ModelFileError` if not intact."""
        folder = find_folder(
            str(name),
            (FILE,),
            revision=revision,
            token=token,
            cache_dir=cache_dir,
            local_files_only=local_files_only,
            force_download=force_download,
        )
        return read_file(folder / FILE)


def unknown(name: str, known: Iterable[str]) -> str:
    """What to say of an expression that there is not."""
    return f"there is no expression {name!r}; there are {', '.join(known) or 'none'}"


# The file.


def file_of(collection: ExpressionCollection) -> bytes:
    """The file of a collection. Raises `ValueError` for numbers that cannot be saved."""
    # Copies, since safetensors refuses tensors that share memory, as those of one expression under two names do.
    copies = {name: expression.delta_exp.detach().cpu().clone() for name, expression in collection.items()}
    tensors = {name: copy.contiguous() for name, copy in copies.items()}
    for name, tensor in tensors.items():
        check_numbers(name, tensor)
    makers = {name: expression.maker for name, expression in collection.items() if expression.maker}
    about = {"format": FORMAT, "version": VERSION, "model": collection.model or "", "makers": json.dumps(makers)}
    return safetensors.torch.save(tensors, metadata=about | {"sha256": tensors_digest(tensors, about)})


def read_file(path: Path) -> ExpressionCollection:
    """The expressions of a file. Raises `ModelFileError` unless it is one and is intact."""
    if not path.is_file():
        raise ModelFileError(f"{path} is missing: give a file that Expression.save or save_pretrained wrote.")
    try:
        with safe_open(path, framework="pt") as file:
            about = dict(file.metadata() or {})
            if about.get("format") != FORMAT:
                raise ModelFileError(f"{path} holds no expressions: give a file that Expression.save wrote.")
            if about.get("version") != VERSION:
                raise ModelFileError(
                    f"{path} is of version {about.get('version')} of its format, this leed reads version {VERSION}: "
                    "install the leed that wrote it."
                )
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except (SafetensorError, OSError) as error:
        raise ModelFileError(f"{path} is no intact safetensors file: {error}. Save it again.") from error
    digest = about.pop("sha256", None)
    if digest != tensors_digest(tensors, about):
        raise ModelFileError(f"{path} does not match its sha256 digest: it was altered or damaged. Save it again.")
    try:
        makers = {str(name): str(maker) for name, maker in json.loads(about["makers"]).items()}
        model = about["model"] or None
        for name, tensor in tensors.items():
            check_numbers(name, tensor)
        return ExpressionCollection(
            {name: Expression(x, model, name, makers.get(name)) for name, x in tensors.items()}
        )
    except (AttributeError, KeyError, ValueError, RecursionError) as error:  # whoever wrote it knew how to sign it
        raise ModelFileError(f"{path} holds no expressions that can be used: {first_line(error)}.") from error


def check_numbers(name: str, delta_exp: Tensor) -> None:
    """Raises `ValueError` for numbers that are no delta_exp, or not finite."""
    if delta_exp.dtype not in PRECISIONS or delta_exp.ndim not in (2, 3, 4, 5):
        raise ValueError(f"{name} has numbers of {delta_exp.dtype} and of shape {tuple(delta_exp.shape)}")
    if not bool(delta_exp.isfinite().all()):
        raise ValueError(f"{name} has NaN or infinite values")
