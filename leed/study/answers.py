"""The answers in an SQLite file. It holds a rater's random number, seed, the text agreed to, and the answers."""

import json
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from leed.study.questions import Question

TABLES = """
CREATE TABLE IF NOT EXISTS study (
    id TEXT NOT NULL,          -- random: the raters' browsers keep their number under it
    pictures TEXT NOT NULL,    -- digest
    settings TEXT NOT NULL     -- JSON
);
CREATE TABLE IF NOT EXISTS raters (
    rater TEXT PRIMARY KEY,
    seed INTEGER NOT NULL,     -- all questions follow from it
    consent TEXT NOT NULL,     -- the text that the rater agreed to
    stopped INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS answers (
    rater TEXT NOT NULL REFERENCES raters,
    position INTEGER NOT NULL, -- among the rater's questions, from 0
    task TEXT NOT NULL,
    name TEXT,                 -- of the pictures; NULL in an attention check
    shown TEXT NOT NULL,       -- JSON: the sources of the pictures in the order on the page, or the cards' words
    expected TEXT,             -- the answer that an attention check asked for
    answer TEXT NOT NULL,      -- "real" or "fake", or the source that was chosen
    PRIMARY KEY (rater, position)
);
"""
TIMEOUT = 30  # seconds to wait for another thread that writes


class AnswersError(ValueError):
    """A file of answers cannot be used; the message is one sentence for the study's host."""


@dataclass(frozen=True)
class Rater:
    """The state of a rater: the number of answers, and whether the rater stopped."""

    seed: int
    answered: int
    stopped: bool


class Answers:
    """A file of answers. Any number of threads may use it; each call is one transaction."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def open_study(self, pictures: str, settings: str) -> str:
        """The study's random id; makes the file if needed. Raises `AnswersError` if it belongs to another study."""
        if not self.path.parent.is_dir():
            raise AnswersError(f"There is no folder {self.path.parent} for {self.path.name}.")
        try:
            with self._transaction() as file:
                file.executescript(TABLES)
                file.execute(
                    "INSERT INTO study SELECT ?, ?, ? WHERE NOT EXISTS (SELECT 1 FROM study)",
                    (secrets.token_hex(8), pictures, settings),
                )
                number, *others = file.execute("SELECT id, pictures, settings FROM study").fetchone()
        except sqlite3.DatabaseError as error:
            raise AnswersError(f"{self.path} cannot be used for answers: {error}.") from error
        for what, own, other in zip(("pictures", "settings"), (pictures, settings), others, strict=True):
            if own != other:
                raise AnswersError(
                    f"{self.path} holds answers of a study with other {what} ({other}, now {own}); "
                    f"give the same {what} or another file."
                )
        return number

    def add_rater(self, consent: str) -> str:
        """A new rater's random number; nothing else about the person is kept."""
        rater = secrets.token_hex(16)
        with self._transaction() as file:
            values = (rater, secrets.randbits(32), consent)
            file.execute("INSERT INTO raters (rater, seed, consent) VALUES (?, ?, ?)", values)
        return rater

    def rater(self, rater: str) -> Rater | None:
        """The state of a rater; `None` if there is no such rater."""
        answered = "(SELECT COUNT(*) FROM answers WHERE rater = raters.rater)"
        with self._transaction() as file:
            row = file.execute(f"SELECT seed, {answered}, stopped FROM raters WHERE rater = ?", (rater,)).fetchone()
        return row and Rater(row[0], row[1], bool(row[2]))

    def add(self, rater: str, position: int, question: Question, answer: str) -> None:
        """Keeps an answer if it is the next that is due from the rater; a repeated one changes nothing."""
        with self._transaction() as file:
            file.execute(
                """INSERT INTO answers SELECT ?, ?, ?, ?, ?, ?, ?
                WHERE EXISTS (SELECT 1 FROM raters WHERE rater = ? AND NOT stopped)
                AND (SELECT COUNT(*) FROM answers WHERE rater = ?) = ?""",
                (
                    *(rater, position, question.task, question.name, json.dumps(question.shown)),
                    *(question.expected, answer, rater, rater, position),
                ),
            )

    def stop(self, rater: str) -> None:
        """Takes no more answers from a rater."""
        with self._transaction() as file:
            file.execute("UPDATE raters SET stopped = 1 WHERE rater = ?", (rater,))

    def given(self, rater: str) -> list[str]:
        """A rater's answers, in the order of the questions."""
        with self._transaction() as file:
            rows = file.execute("SELECT answer FROM answers WHERE rater = ? ORDER BY position", (rater,)).fetchall()
        return [answer for (answer,) in rows]

    def raters(self) -> set[str]:
        """The numbers of all raters who agreed to take part."""
        with self._transaction() as file:
            return {rater for (rater,) in file.execute("SELECT rater FROM raters")}

    def copy(self, path: Path) -> None:
        """Writes a copy that holds whole answers only, whatever is written meanwhile."""
        with closing(sqlite3.connect(path)) as target, self._transaction() as file:
            file.backup(target)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.path, timeout=TIMEOUT)) as file, file:
            yield file
