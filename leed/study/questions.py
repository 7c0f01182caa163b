"""The questions for a rater, and their order: a function of the rater's seed."""

import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from leed.study.pictures import FAKE, REAL

REAL_OR_FAKE = "real or fake"  # one picture
MORE_REAL = "which is more real"  # one picture of each method
THIS, OTHER = "this one", "not this one"  # the cards of an attention check of the second task


@dataclass(frozen=True)
class Settings:
    """Numbers of questions for one rater. Raises `ValueError` for numbers that do not fit together."""

    per_source: int = 8  # pictures to judge as real or fake, of each source: the real ones and each method
    comparisons: int = 16  # choices of the most real picture
    checks: int = 3  # attention checks in each of the two tasks

    def __post_init__(self) -> None:
        if self.checks < 1:
            raise ValueError(f"checks must be at least 1, got {self.checks}: they decide whose answers count")
        for name in ("per_source", "comparisons"):
            if getattr(self, name) < self.checks:
                raise ValueError(
                    f"{name} must be at least checks, {self.checks}, so that these can be spread out; "
                    f"got {getattr(self, name)}"
                )


@dataclass(frozen=True)
class Question:
    """One page of the study. An attention check shows cards that say what to choose."""

    task: str
    shown: tuple[str, ...]  # the source of each picture, or what each card says
    name: str | None = None  # of the pictures; none in an attention check
    expected: str | None = None  # the answer that an attention check asks for

    @property
    def choices(self) -> tuple[str, ...]:
        """The possible answers, in the order on the page."""
        return (REAL, FAKE) if self.task == REAL_OR_FAKE else self.shown


def questions(names: list[str], methods: list[str], settings: Settings, seed: int) -> list[Question]:
    """The questions for one rater, all of the first task first: pictures side by side teach what to look for.

    A face and expression comes again only when all have been seen. Raises `ValueError` where there are too few names.
    """
    for option in ("per_source", "comparisons"):
        if getattr(settings, option) > len(names):
            raise ValueError(
                f"{option} must be at most the number of names, {len(names)}, since no rater sees a picture twice in "
                f"a task; got {getattr(settings, option)}"
            )
    rng = random.Random(seed)
    seen: Counter[str] = Counter()
    single = [
        Question(REAL_OR_FAKE, (source,), name)
        for source, name in draw(rng, (REAL, *methods), names, settings.per_source, seen)
    ]
    rng.shuffle(single)
    compared = [
        Question(MORE_REAL, tuple(rng.sample(methods, len(methods))), name)
        for _, name in draw(rng, (MORE_REAL,), names, settings.comparisons, seen)
    ]
    answers = [REAL, FAKE] * settings.checks
    first_checks = [Question(REAL_OR_FAKE, (answer,), expected=answer) for answer in answers[: settings.checks]]
    rng.shuffle(first_checks)
    cards = (THIS, *[OTHER] * (len(methods) - 1))
    second_checks = [
        Question(MORE_REAL, tuple(rng.sample(cards, len(cards))), expected=THIS) for _ in range(settings.checks)
    ]
    return spread(rng, first_checks, single) + spread(rng, second_checks, compared)


def draw(
    rng: random.Random, sources: Iterable[str], names: list[str], times: int, seen: Counter[str]
) -> list[tuple[str, str]]:
    """Each source `times` times, each time with a new name for it, one of those that were seen least until then."""
    drawn: dict[tuple[str, str], None] = {}  # keeps the order
    for _ in range(times):
        for source in rng.sample(list(sources), len(list(sources))):
            new = [name for name in names if (source, name) not in drawn]
            least = min(seen[name] for name in new)
            name = rng.choice([name for name in new if seen[name] == least])
            seen[name] += 1
            drawn[source, name] = None
    return list(drawn)


def spread(rng: random.Random, checks: list[Question], asked: list[Question]) -> list[Question]:
    """The questions with a check at a random place in each of as many equal parts.

    So raters who stop early have still seen some.
    """
    parts = [asked[len(asked) * i // len(checks) : len(asked) * (i + 1) // len(checks)] for i in range(len(checks))]
    for part, check in zip(parts, checks, strict=True):
        part.insert(rng.randint(1, len(part)), check)
    return [question for part in parts for question in part]
