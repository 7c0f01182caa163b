"""A rater's way through the study, from the consent to the end. The page calls this, and so do simulated raters."""

import json
from dataclasses import asdict
from functools import lru_cache

from leed.study.answers import Answers, Rater
from leed.study.pictures import FAKE, REAL, Pictures
from leed.study.questions import REAL_OR_FAKE, Question, Settings, questions


class Study:
    """Pictures, a file of answers, settings, and the consent text, in which "{questions}" becomes their number.

    Raises `ValueError` where the settings ask for more pictures than there are, and `AnswersError` where the file of
    answers cannot be used or belongs to another study.
    """

    def __init__(self, pictures: Pictures, answers: Answers, settings: Settings, consent: str) -> None:
        self.pictures = pictures
        self.answers = answers
        self._questions = lru_cache(maxsize=1024)(
            lambda seed: questions(pictures.names, pictures.methods, settings, seed)
        )
        self.length = len(self._questions(0))
        self.consent = consent.replace("{questions}", str(self.length))
        self.id = answers.open_study(pictures.digest, json.dumps(asdict(settings)))

    def join(self) -> str:
        """A new rater, who has read and agreed to the consent text."""
        return self.answers.add_rater(self.consent)

    def find(self, rater: str) -> Rater | None:
        """The state of a rater; `None` for somebody who has not agreed yet."""
        return self.answers.rater(rater)

    def due(self, rater: Rater) -> Question | None:
        """The question that a rater is to answer next; `None` at the end and after the rater stopped."""
        if rater.stopped or rater.answered == self.length:
            return None
        return self._questions(rater.seed)[rater.answered]

    def answer(self, number: str, position: int, task: str, choice: int) -> None:
        """Keeps the choice at a position, unless that was answered before (a double click, a second window)."""
        rater = self.find(number)
        if rater is None:
            return
        question = self.due(rater)
        if question and position == rater.answered and task == question.task:
            self.answers.add(number, position, question, question.choices[choice])

    def stop(self, number: str) -> None:
        """Ends the study for a rater. There is no way back: the end shows which pictures were altered."""
        self.answers.stop(number)

    def judged(self, number: str) -> list[tuple[Question, str]]:
        """The pictures that a rater judged as real or fake, with the answers; none for somebody who has not agreed."""
        rater = self.find(number)
        if rater is None:
            return []
        given = self.answers.given(number)
        pairs = zip(self._questions(rater.seed)[: len(given)], given, strict=True)
        return [(question, answer) for question, answer in pairs if question.task == REAL_OR_FAKE and question.name]


def truth(question: Question) -> str:
    """The right answer about a picture that is judged as real or fake."""
    return REAL if question.shown == (REAL,) else FAKE
