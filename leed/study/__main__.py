"""Hosts the user studies.

    python -m leed.study --pictures FOLDER --answers answers.sqlite

GRADIO_SERVER_NAME and GRADIO_SERVER_PORT say where (127.0.0.1:7860). See docs/user-study.md.
"""

import argparse
import signal
from contextlib import nullcontext
from dataclasses import fields
from pathlib import Path

from leed.commands import command_line, exit_on
from leed.study.answers import Answers
from leed.study.page import CONSENT, DEBRIEF, launch
from leed.study.pictures import read_pictures
from leed.study.publishing import AnswersScheduler, take_up
from leed.study.questions import Settings
from leed.study.rating import Study
from leed.web.internals import UnknownGradioError

PROGRAM = "python -m leed.study"
HELP = {
    "per_source": "pictures to judge as real or fake, of each source: the real ones and each method",
    "comparisons": "choices of the most real picture, by a rater",
    "checks": "attention checks in each of the two tasks",
}


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = command_line(PROGRAM, __doc__)
    parser.add_argument("--pictures", type=Path, required=True, metavar="FOLDER", help="real/ and one folder a method")
    parser.add_argument("--answers", type=Path, required=True, metavar="FILE", help="SQLite; made if needed")
    parser.add_argument("--consent", type=Path, default=CONSENT, metavar="FILE", help="Markdown, shown first")
    parser.add_argument("--debrief", type=Path, default=DEBRIEF, metavar="FILE", help="Markdown, shown at the end")
    for field in fields(Settings):
        parser.add_argument(f"--{field.name}", type=int, default=field.default, help=HELP[field.name])
    parser.add_argument("--hub_dataset", metavar="ORG/NAME", help="dataset to push the answers to; created if needed")
    parser.add_argument("--push_minutes", type=float, default=5, help="time between two pushes")
    return parser.parse_args(argv)


def read_text(path: Path) -> str:
    """A text for raters. Raises `ValueError` if the file is missing or empty."""
    if not path.is_file():
        raise ValueError(f"There is no file {path}.")
    if not (text := path.read_text(encoding="utf-8").strip()):
        raise ValueError(f"{path} is empty.")
    return text


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    with exit_on(PROGRAM):
        settings = Settings(**{field.name: getattr(args, field.name) for field in fields(Settings)})
        consent, debrief = read_text(args.consent), read_text(args.debrief)
        pictures = read_pictures(args.pictures)
        if args.hub_dataset:
            take_up(args.answers, args.hub_dataset)
        answers = Answers(args.answers)
        study = Study(pictures, answers, settings, consent)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the last answers are pushed
    with AnswersScheduler(answers, args.hub_dataset, args.push_minutes) if args.hub_dataset else nullcontext():
        with exit_on(PROGRAM, UnknownGradioError):
            launch(study, debrief, blocked_paths=[str(args.pictures), str(args.answers)])


if __name__ == "__main__":
    main()
