"""The user studies: pictures, questions, answers and the table, with simulated raters whose true rates are known."""

import base64
import json
import re
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

import httpx
import numpy as np
import pandas as pd
import pytest
from gradio_client import Client
from huggingface_hub.errors import EntryNotFoundError
from PIL import Image
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from leed.photo.saving import save_marked
from leed.study.__main__ import main
from leed.study.answers import Answers, AnswersError
from leed.study.page import CARDS, CONSENT
from leed.study.pictures import Pictures, PicturesError, read_pictures
from leed.study.publishing import FILE, AnswersScheduler, take_up
from leed.study.questions import MORE_REAL, REAL_OR_FAKE, THIS, Settings, questions
from leed.study.rating import Study
from leed.study.table import chosen, judged_real, markdown, preferred, read_answers, share

METHODS = ["ganimation", "leed", "stargan"]
NAMES = [f"{number:02}_happy" for number in range(12)]
SHORT = Settings(per_source=2, comparisons=3, checks=1)

# What raters think, the same for all pictures of a source: the paper's Table 3, RaFD.
JUDGED_REAL = {"real": 0.7882, "stargan": 0.3176, "ganimation": 0.4706, "leed": 0.7412}
CHOSEN = {"stargan": 0.0706, "ganimation": 0.1529, "leed": 0.7765}


@pytest.fixture
def study(study_pictures: Path, tmp_path: Path) -> Study:
    return Study(read_pictures(study_pictures), Answers(tmp_path / "answers.sqlite"), SHORT, CONSENT.read_text())


# Pictures


def test_pictures_are_read_by_source_and_name(study_pictures: Path):
    pictures = read_pictures(study_pictures)
    assert pictures.sources == ["real", *METHODS] and pictures.methods == METHODS and pictures.names == NAMES
    image = pictures.open("leed", NAMES[0])
    assert image.size == pictures.size == (24, 24) and image.mode == "RGB" and image.info == {}


def remove(folder: Path) -> None:
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()


@pytest.mark.parametrize(
    "harm, message",
    [
        (lambda folder: remove(folder / "real"), "has no folder real"),
        (lambda folder: [remove(folder / name) for name in METHODS[1:]], r"at least two methods.*it has \['gani"),
        (lambda folder: (folder / "leed/03_happy.png").unlink(), "leed lacks 1 of the 12 pictures, 03_happy"),
        (lambda folder: (folder / "real/13_sad.png").write_bytes(b"x"), "ganimation lacks 1 of the 13 .*, 13_sad"),
        (lambda folder: (folder / "leed/03_happy.png").write_bytes(b"x"), "leed/03_happy.png: This file is not a pic"),
        (lambda folder: (folder / "leed/notes.txt").write_text("x"), "leed/notes.txt is no picture; only .png"),
        (lambda folder: (folder / "leed/03_happy.jpg").write_bytes(b"x"), "have one name; remove one"),
        (
            lambda folder: Image.new("RGB", (24, 25)).save(folder / "leed/03_happy.png"),
            "must have one size, but .*real/00_happy.png has 24x24 pixels and .*leed/03_happy.png 24x25",
        ),
        (
            lambda folder: (folder / "leed/03_happy.png").write_bytes((folder / "real/03_happy.png").read_bytes()),
            "real/03_happy.png and .*leed/03_happy.png are the same picture",
        ),
    ],
)
def test_a_wrong_folder_is_refused_with_the_reason(make_pictures: Callable, harm: Callable, message: str):
    harm(folder := make_pictures())
    with pytest.raises(PicturesError, match=message):
        read_pictures(folder)


# Questions


def test_questions_follow_from_the_seed():
    assert questions(NAMES, METHODS, SHORT, 5) == questions(NAMES, METHODS, SHORT, 5)
    assert questions(NAMES, METHODS, SHORT, 5) != questions(NAMES, METHODS, SHORT, 6)


@pytest.mark.parametrize("seed", range(5))
def test_questions_are_balanced_and_repeat_faces_as_late_as_possible(seed: int):
    settings = Settings(per_source=5, comparisons=7, checks=3)
    asked = questions(NAMES, METHODS, settings, seed)
    tasks = [question.task for question in asked]
    assert tasks == sorted(tasks, key=[REAL_OR_FAKE, MORE_REAL].index)
    single = [question for question in asked if question.task == REAL_OR_FAKE and question.name]
    compared = [question for question in asked if question.task == MORE_REAL and question.name]
    assert Counter(question.shown for question in single) == {(source,): 5 for source in ["real", *METHODS]}
    assert len({(question.shown, question.name) for question in single}) == 20
    assert set(Counter(question.name for question in single).values()) == {1, 2}  # 20 pictures of 12 faces
    assert len({question.name for question in compared}) == 7
    assert all(sorted(question.shown) == METHODS for question in compared)


def test_checks_are_spread_and_their_answers_are_not_all_the_same():
    asked = questions(NAMES, METHODS, Settings(per_source=6, comparisons=9, checks=3), 0)
    for task, size in ((REAL_OR_FAKE, 9), (MORE_REAL, 4)):
        of_task = [question for question in asked if question.task == task]
        checks = [i for i, question in enumerate(of_task) if question.expected]
        assert [i // size for i in checks] == [0, 1, 2] and checks[0] > 0
        assert all(question.expected in question.choices for question in of_task if question.expected)
    assert Counter(question.expected for question in asked) == {None: 33, "real": 2, "fake": 1, THIS: 3}


def test_every_place_is_equally_likely_for_a_method_and_for_a_check():
    asked = [question for seed in range(300) for question in questions(NAMES, METHODS, SHORT, seed)]
    for source in ("leed", THIS):
        shown = [question.shown for question in asked if question.task == MORE_REAL and source in question.shown]
        places = Counter(sources.index(source) for sources in shown)
        assert stats.chisquare([places[place] for place in range(3)]).pvalue > 0.001


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"checks": 0}, "checks must be at least 1, got 0"),
        ({"per_source": 2}, "per_source must be at least checks, 3, .* got 2"),
        ({"comparisons": 13}, "comparisons must be at most the number of names, 12"),
        ({"per_source": 13, "comparisons": 12}, "per_source must be at most the number of names, 12"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings: dict, message: str):
    with pytest.raises(ValueError, match=message):
        questions(NAMES, METHODS, Settings(**settings), 0)


# Answers


def rows(study: Study, table: str = "answers") -> list[tuple]:
    with sqlite3.connect(study.answers.path) as file:
        return file.execute(f"SELECT * FROM {table}").fetchall()


def test_an_answer_counts_once_and_in_turn(study: Study):
    rater = study.join()
    first = study.due(study.find(rater))
    study.answer(rater, 1, first.task, 0)  # not due yet
    assert rows(study) == []
    study.answer(rater, 0, first.task, 1)
    study.answer(rater, 0, first.task, 0)  # a second window
    assert [row[1:3] + row[-1:] for row in rows(study)] == [(0, REAL_OR_FAKE, "fake")]
    study.answer(rater, 1, MORE_REAL, 0)  # of the other task
    study.answer("nobody", 1, REAL_OR_FAKE, 0)
    study.stop(rater)
    study.answer(rater, 1, REAL_OR_FAKE, 0)
    assert len(rows(study)) == 1 and study.due(study.find(rater)) is None


def test_answers_that_come_at_the_same_time_are_kept_once(study: Study):
    raters = [study.join() for _ in range(4)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda rater: study.answer(rater, 0, REAL_OR_FAKE, 0), raters * 8))
    assert sorted(row[:2] for row in rows(study)) == sorted((rater, 0) for rater in raters)


def test_a_restarted_study_goes_on_where_it_was(study: Study, study_pictures: Path):
    rater = study.join()
    study.answer(rater, 0, REAL_OR_FAKE, 0)
    again = Study(read_pictures(study_pictures), Answers(study.answers.path), SHORT, "other words")
    assert again.id == study.id
    assert again.due(again.find(rater)) == study.due(study.find(rater)) and again.find(rater).answered == 1


def test_answers_of_another_study_are_not_mixed_in(study: Study, make_pictures: Callable):
    with pytest.raises(AnswersError, match="answers of a study with other settings"):
        Study(study.pictures, study.answers, Settings(per_source=3, comparisons=3, checks=1), "")
    Image.new("RGB", (24, 24), "red").save((folder := make_pictures()) / "leed/03_happy.png")
    with pytest.raises(AnswersError, match="answers of a study with other pictures"):
        Study(read_pictures(folder), study.answers, SHORT, "")
    study.answers.path.write_bytes(b"no database, but a text of some length" * 40)
    with pytest.raises(AnswersError, match="cannot be used for answers: file is not a database"):
        Study(study.pictures, study.answers, SHORT, "")


def test_what_is_kept_of_a_rater(study: Study):
    """The text agreed to, with its number of questions; a random number and a seed; nothing else."""
    rater = study.join()
    ((number, seed, consent, stopped),) = rows(study, "raters")
    assert number == rater and re.fullmatch("[0-9a-f]{32}", rater) and 0 <= seed < 2**32 and stopped == 0
    assert consent == CONSENT.read_text().replace("{questions}", "13") and study.length == 13
    assert "Some pictures are altered by a model" in consent


# The table


def test_share_is_wilsons_where_each_rater_gave_one_answer():
    yes = np.arange(400) % 4 == 0
    got = share(yes, np.arange(400))
    np.testing.assert_allclose(got, (0.25, *proportion_confint(100, 400, method="wilson")), atol=5e-4)


def test_answers_of_a_rater_that_repeat_each_other_count_once():
    yes = np.arange(60) % 3 == 0
    one, ten = share(yes, np.arange(60)), share(np.repeat(yes, 10), np.repeat(np.arange(60), 10))
    np.testing.assert_allclose(one, ten, atol=2e-3)


def test_share_at_its_ends():
    """Where all agree, the interval is that of as many answers as raters; without raters there is none."""
    got = share(np.zeros(90), np.repeat(np.arange(30), 3))
    assert got.value == 0 and got.low == pytest.approx(0, abs=1e-9)
    assert 0.1 < got.high < 0.13  # Wilson's, 0 of 30: 0.114; a little more by the t distribution
    assert np.isnan(share(np.zeros(0), np.zeros(0)).value)
    assert share(np.ones(3), np.zeros(3)).value == 1 and np.isnan(share(np.ones(3), np.zeros(3)).low)


def test_share_of_raters_who_all_have_the_same_share():
    """No raters vary less than chance would: the interval is never narrower than that of independent answers."""
    yes = np.tile([True, False], 20)
    low, high = proportion_confint(20, 40, method="wilson")
    got = share(yes, np.repeat(np.arange(10), 4))
    assert got.low < low and got.high > high


def test_table_counts(study: Study):
    """Three raters: one attentive, one who fails a check, one who stops before any."""
    for careful in (True, False):
        rater = study.join()
        while question := study.due(study.find(rater)):
            wanted = question.expected or ("fake" if question.task == REAL_OR_FAKE else "leed")
            if question.expected and not careful:
                wanted = next(choice for choice in question.choices if choice != question.expected)
            study.answer(rater, study.find(rater).answered, question.task, question.choices.index(wanted))
    study.answer(study.join(), 0, REAL_OR_FAKE, 0)
    counted = read_answers(study.answers.path)
    assert counted.num_raters == 1 and counted.left_out == {"failed an attention check": 1, "answered none": 1}
    assert {source: value.value for source, value in judged_real(counted.answers).items()} == dict.fromkeys(
        ["real", *METHODS], 0
    )
    assert {method: value.value for method, value in chosen(counted.answers).items()} == {
        "ganimation": 0,
        "leed": 1,
        "stargan": 0,
    }
    pairs = {pair: value.value for pair, value in preferred(counted.answers).items()}
    assert pairs["leed", "ganimation"] == pairs["leed", "stargan"] == 1 and np.isnan(pairs["ganimation", "stargan"])
    text = markdown(study.answers.path)
    assert (
        "| answers | 8 | 3 |" in text and "Raters: 1; left out: 1 failed an attention check, 1 answered none" in text
    )


def test_table_without_any_answer(study: Study, tmp_path: Path):
    study.join()
    assert "Raters: 0; left out: 0 failed an attention check, 1 answered none" in markdown(study.answers.path)
    with pytest.raises(AnswersError, match="There is no file"):
        markdown(tmp_path / "no.sqlite")
    (tmp_path / "text.sqlite").write_text("text")
    with pytest.raises(AnswersError, match="holds no answers of a study"):
        markdown(tmp_path / "text.sqlite")


# Simulated raters


class SimulatedRater:
    """Judges a picture as real, and chooses a method's, at the true rates, or nearly: raters differ. Reads the cards.

    A careless one answers at random.
    """

    def __init__(self, rng: np.random.Generator, careless: bool = False) -> None:
        self.rng = rng
        self.careless = careless
        self.real = {source: rng.beta(10 * rate, 10 * (1 - rate)) for source, rate in JUDGED_REAL.items()}
        self.chosen = dict(zip(CHOSEN, rng.dirichlet([10 * rate for rate in CHOSEN.values()]), strict=True))

    def choose(self, shown: tuple[str, ...], is_check: bool) -> int:
        """The number of the choice for what is shown: sources of pictures, or what cards say."""
        num_choices = max(2, len(shown))
        if self.careless:
            return int(self.rng.integers(num_choices))
        if is_check:
            return shown.index(THIS) if THIS in shown else int(shown == ("fake",))
        if len(shown) == 1:
            return int(self.rng.random() > self.real[shown[0]])
        return int(self.rng.choice(num_choices, p=[self.chosen[method] for method in shown]))


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: each answer waits until the disk has it."""
    shared = Path("/dev/shm")
    with TemporaryDirectory(dir=shared if shared.is_dir() else tmp_path) as folder:
        yield Path(folder)


def test_intervals_of_200_simulated_raters_hold_the_truth(
    study_pictures: Path, memory: Path, monkeypatch: pytest.MonkeyPatch
):
    rng = np.random.default_rng(0)
    monkeypatch.setattr("leed.study.answers.secrets.randbits", lambda bits: int(rng.integers(2**bits)))
    settings = Settings(per_source=2, comparisons=4, checks=1)
    study = Study(read_pictures(study_pictures), Answers(memory / "answers.sqlite"), settings, "")
    failed = 0
    for number in range(200):
        simulated, rater = SimulatedRater(rng, careless=number % 10 == 0), study.join()
        wrong = False
        for position in range(study.length):
            question = study.due(study.find(rater))
            choice = simulated.choose(question.shown, bool(question.expected))
            wrong |= question.expected is not None and question.choices[choice] != question.expected
            study.answer(rater, position, question.task, choice)
        failed += wrong
    counted = read_answers(study.answers.path)
    assert counted.left_out == {"failed an attention check": failed, "answered none": 0} and 8 <= failed <= 20
    assert counted.num_raters == 200 - failed and len(counted.answers) == 12 * (200 - failed)
    real, most_real, pairs = (figure(counted.answers) for figure in (judged_real, chosen, preferred))
    assert real.keys() == JUDGED_REAL.keys() and most_real.keys() == CHOSEN.keys()
    assert set(pairs) == {("leed", "stargan"), ("leed", "ganimation"), ("ganimation", "stargan")}
    truths = {("real", source): rate for source, rate in JUDGED_REAL.items()}
    truths |= {("chosen", method): rate for method, rate in CHOSEN.items()}
    truths |= {(better, worse): CHOSEN[better] / (CHOSEN[better] + CHOSEN[worse]) for better, worse in pairs}
    estimates = {("real", source): estimate for source, estimate in real.items()}
    estimates |= {("chosen", method): estimate for method, estimate in most_real.items()} | pairs
    held = [estimate.low < truths[what] < estimate.high for what, estimate in estimates.items()]
    assert sum(held) >= 9, estimates  # of ten 95 % intervals
    assert all(abs(estimate.value - truths[what]) < 0.1 for what, estimate in estimates.items())
    assert all(estimate.high - estimate.low < 0.11 for estimate in (*real.values(), *most_real.values()))


@pytest.mark.parametrize("num_raters, rate", [(8, 0.07), (30, 0.5), (30, 0.95)])
def test_intervals_hold_the_truth_as_often_as_they_say(num_raters: int, rate: float):
    """Of 95 % intervals 300 simulated studies with raters who differ should miss the truth in 15."""
    rng = np.random.default_rng(0)
    raters = np.repeat(np.arange(num_raters), 8)
    estimates = [
        share(rng.random(len(raters)) < rng.beta(10 * rate, 10 * (1 - rate), num_raters)[raters], raters)
        for _ in range(300)
    ]
    missed = sum(not low < rate < high for _, low, high in estimates)
    assert missed <= 30


# On the Hub


class Hub:
    """What of `HfApi` is used, with one dataset in a dictionary."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.commits = 0
        self.created: dict = {}
        self.pool = ThreadPoolExecutor(1)  # one commit after the other, as there

    def create_repo(self, **options) -> SimpleNamespace:
        self.created = options
        return SimpleNamespace(repo_id=options["repo_id"])

    def run_as_future(self, work: Callable) -> Future:
        return self.pool.submit(work)

    def create_commit(self, operations: list, **_) -> None:
        self.commits += 1
        self.files |= {item.path_in_repo: item.path_or_fileobj.read() for item in operations}

    def hf_hub_download(self, repo_id: str, filename: str, repo_type: str, local_dir: str) -> str:
        if filename not in self.files:
            raise EntryNotFoundError(filename)
        (path := Path(local_dir) / filename).write_bytes(self.files[filename])
        return str(path)


def test_answers_are_pushed_when_there_are_new_ones_and_taken_up_again(study: Study, tmp_path: Path):
    hub = Hub()
    rater = study.join()
    with AnswersScheduler(study.answers, "org/answers", minutes=1e6, api=hub) as scheduler:
        scheduler.trigger().result()
        before = hub.commits
        scheduler.trigger().result()
        assert hub.commits == before
        study.answer(rater, 0, REAL_OR_FAKE, 0)
    assert hub.commits == before + 1 and list(hub.files) == [FILE]
    assert hub.created["private"] and hub.created["repo_type"] == "dataset"

    take_up(restarted := tmp_path / "restarted.sqlite", "org/answers", hub)
    again = Study(study.pictures, Answers(restarted), SHORT, "")
    assert again.id == study.id and again.find(rater).answered == 1


def test_answers_on_the_hub_are_not_replaced_by_fewer(study: Study, tmp_path: Path):
    hub = Hub()
    take_up(study.answers.path, "org/answers", hub)  # the first start: nothing is there
    assert rows(study, "raters") == []
    study.join()
    with AnswersScheduler(study.answers, "org/answers", minutes=1e6, api=hub):
        pass
    take_up(study.answers.path, "org/answers", hub)
    (other := Answers(tmp_path / "other.sqlite")).open_study("", "")
    with pytest.raises(AnswersError, match="org/answers has 1 raters whom .*other.sqlite lacks"):
        take_up(other.path, "org/answers", hub)


# The page


def test_command_refuses_in_one_sentence(study_pictures: Path, tmp_path: Path):
    answers = ["--answers", str(tmp_path / "answers.sqlite")]
    (tmp_path / "empty.md").write_text("\n")
    for arguments, message in (
        (["--pictures", str(tmp_path / "no"), *answers], "There is no folder"),
        (["--pictures", str(study_pictures), *answers, "--comparisons", "99"], "comparisons must be at most"),
        (["--pictures", str(study_pictures), *answers, "--consent", str(tmp_path / "empty.md")], "empty.md is empty"),
        (["--pictures", str(study_pictures), "--answers", "no/such/a.sqlite", "--per_source", "3", "--comparisons",
          "3"], "There is no folder no/such for a.sqlite"),
    ):  # fmt: skip
        with pytest.raises(SystemExit, match=message):
            main(arguments)


class PageRater:
    """A simulated rater at the page: sees what the page sends, and knows a source by the pixels of its pictures."""

    def __init__(self, client: Client, pictures: Pictures, simulated: SimulatedRater) -> None:
        self.client = client
        self.simulated = simulated
        self.known = {
            pictures.open(source, name).tobytes(): source for source in pictures.sources for name in pictures.names
        }
        self.cards = {pictures.card(text).tobytes(): words for words, text in CARDS.items()}

    def see(self, response: tuple) -> tuple[str, ...] | None:
        """What the pictures of a page show; `None` for a page without pictures to judge."""
        self.number, self.position = response[:2]
        tags = [part for part in response[4:] if isinstance(part, str)]
        if not tags:
            return None
        images = [Image.open(BytesIO(base64.b64decode(re.search('base64,([^"]+)', tag)[1]))) for tag in tags]
        self.is_check = images[0].tobytes() in self.cards
        return tuple((self.cards if self.is_check else self.known)[image.tobytes()] for image in images)

    def respond(self, shown: tuple[str, ...]) -> tuple:
        choice = self.simulated.choose(shown, self.is_check)
        task = "judge" if len(shown) == 1 else "choose"
        return self.client.predict(self.number, self.position, api_name=f"/{task}_{choice}")


def test_raters_at_the_page(study_page: SimpleNamespace):
    """Three raters at the launched page, one of them with reloads and double clicks, one who stops half way."""
    client = Client(study_page.url, verbose=False)
    pictures = read_pictures(study_page.pictures)
    before = Answers(study_page.answers).raters()
    given: dict[str, list] = {}
    for number in range(3):
        rater = PageRater(client, pictures, SimulatedRater(np.random.default_rng(number)))
        assert rater.see(client.predict("", api_name="/resume")) is None
        shown = rater.see(client.predict("", api_name="/join"))
        given[rater.number] = []
        while shown is not None and not (number == 2 and len(given[rater.number]) == 6):
            given[rater.number].append(shown)
            last = (rater.number, rater.position)
            response = rater.respond(shown)
            shown = rater.see(response)
            if number == 1 and shown is not None:
                assert rater.see(client.predict(*last, api_name="/judge_0")) == shown  # a double click
                assert rater.see(client.predict(rater.number, api_name="/resume")) == shown  # a reload
        if number == 2:
            response = client.predict(rater.number, api_name="/stop")
            assert rater.see(client.predict(rater.number, 6, api_name="/judge_0")) is None
        assert "You were right about" in response[3] and "altered by a model" in response[3].lower()
    assert set(given) == Answers(study_page.answers).raters() - before
    with sqlite3.connect(study_page.answers) as file:
        kept = pd.read_sql("SELECT * FROM answers ORDER BY position", file)
    for number, shown in given.items():
        rows = kept[kept["rater"] == number]
        assert list(rows["position"]) == list(range(len(shown)))
        assert [tuple(json.loads(text)) for text in rows["shown"]] == shown
    assert sorted(map(len, given.values())) == [6, 13, 13]


def test_the_page_fetches_no_addresses(study_page: SimpleNamespace):
    """Public ones are refused as private ones are."""
    assert httpx.get(f"{study_page.url}/gradio_api/file=https://93.184.215.14/").status_code == 403


def test_the_browser_is_told_no_method(study_page: SimpleNamespace):
    """Neither the page nor what it sends to a rater holds a method's or a picture's name."""
    client = Client(study_page.url, verbose=False)
    texts = [httpx.get(f"{study_page.url}/{path}").text for path in ("", "config", "gradio_api/info")]
    response = client.predict("", api_name="/join")
    texts.append(str(response))
    for position in range(13):
        for task in ("judge", "choose"):
            texts.append(str(client.predict(response[0], position, api_name=f"/{task}_0")))
    assert "You were right about" in texts[-1]
    words = [re.sub('base64,[^"]+', "", text).lower() for text in texts]
    for secret in (*METHODS, "happy", str(study_page.pictures)):
        assert not any(secret in text for text in words), secret
    for path in (study_page.answers, study_page.pictures / "leed/00_happy.png"):
        assert httpx.get(f"{study_page.url}/gradio_api/file={path}").status_code == 403


def test_pictures_are_sent_without_their_mark(make_pictures: Callable):
    """The mark that edits carry would tell them apart; the debrief says which they are instead."""
    save_marked(Image.new("RGB", (24, 24), "red"), (folder := make_pictures()) / "leed/00_happy.png")
    assert read_pictures(folder).open("leed", "00_happy").info == {}
