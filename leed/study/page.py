"""The page that a rater sees. Nothing that it sends to a browser names a method: pictures come without file names."""

import base64
import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import gradio as gr
from gradio.blocks import Block
from gradio.components import Component
from PIL import Image

from leed.study.pictures import FAKE, REAL, png
from leed.study.questions import MORE_REAL, OTHER, REAL_OR_FAKE, THIS, Question
from leed.study.rating import Study, truth
from leed.web.checked import CheckedBlocks
from leed.web.launching import launch_safely
from leed.web.sweeping import use_own_folder
from leed.web.theme import page_theme

CONSENT = Path(__file__).parent / "consent.md"
DEBRIEF = Path(__file__).parent / "debrief.md"
STYLE = Path(__file__).parent / "style.css"
KEYS = Path(__file__).parent / "keys.js"

TITLE = "Judging pictures of faces"  # names no method

SINGLE = "## Is this picture real or fake?"
SEVERAL = "## Which of these pictures looks most real?"
CARDS = {
    REAL: "Please choose\nReal",
    FAKE: "Please choose\nFake",
    THIS: "Please choose\nthis one",
    OTHER: "Not\nthis one",
}
THUMBNAIL = 128  # [px]


def launch(study: Study, debrief: str, blocked_paths: list[str]) -> None:
    """Serves a study. `debrief` is Markdown; the files and folders of `blocked_paths` are never sent to a browser."""
    use_own_folder()
    launch_safely(
        build(study, debrief),
        max_file_bytes=1024,  # nothing is uploaded
        theme=page_theme(),
        css=STYLE.read_text(),
        head=f"<script>\n{KEYS.read_text()}</script>",
        footer_links=[],
        blocked_paths=blocked_paths,
    )


@dataclass(frozen=True)
class TaskPart:
    """The part of the page for one of the two tasks: a button for each choice."""

    group: gr.Column
    pictures: list[gr.HTML]
    buttons: list[gr.Button]


@dataclass(frozen=True)
class Parts:
    """All parts of the page that change: the rater's number and position, and what is shown."""

    rater: gr.BrowserState
    position: gr.Number
    welcome: gr.Column
    asking: gr.Column
    progress: gr.HTML
    end: gr.Column
    judged: gr.HTML
    tasks: dict[str, TaskPart]

    @property
    def shown(self) -> list[Block]:
        """All of them, as outputs of a callback."""
        fixed = [self.rater, self.position, self.welcome, self.asking, self.progress, self.end, self.judged]
        return fixed + [component for part in self.tasks.values() for component in (part.group, *part.pictures)]

    def updates(self, study: Study, number: str) -> dict[Block, object]:
        """The page for a rater: consent, the question that is due, or the end."""
        found = study.find(number)
        question = study.due(found) if found else None
        visible = {self.welcome: not found, self.asking: bool(question), self.end: bool(found and not question)}
        visible |= {part.group: question is not None and task == question.task for task, part in self.tasks.items()}
        changes: dict[Block, object] = {group: gr.update(visible=shown) for group, shown in visible.items()}
        changes |= {self.rater: number if found else "", self.position: found.answered if found else 0}
        if found and question:
            changes[self.progress] = progress_bar(found.answered, study.length)
            changes |= zip(self.tasks[question.task].pictures, picture_tags(study, question), strict=True)
        elif found:
            changes[self.judged] = judged_pictures(study, number)
        return changes


def build(study: Study, debrief: str) -> CheckedBlocks:
    """The page of a study; `debrief` is Markdown, shown at the end above the pictures that were judged."""
    with CheckedBlocks(title=TITLE, analytics_enabled=False) as page:
        rater = gr.BrowserState("", storage_key=f"study-{study.id}", secret=study.id)
        position = gr.Number(precision=0, label="position", visible="hidden")
        with gr.Column(visible=False, elem_classes="narrow") as welcome:
            gr.Markdown(study.consent)
            agree = gr.Button("I have read this and agree to take part", variant="primary", elem_id="agree")
        with gr.Column(visible=False, elem_classes="question") as asking:
            progress = gr.HTML()
            tasks = {REAL_OR_FAKE: single_part(), MORE_REAL: several_part(len(study.pictures.methods))}
            stop = stop_part()
        with gr.Column(visible=False, elem_classes="narrow") as end:
            gr.Markdown(debrief)
            judged = gr.HTML()
        connect(page, study, Parts(rater, position, welcome, asking, progress, end, judged, tasks), agree, stop)
    return page


def connect(page: gr.Blocks, study: Study, parts: Parts, agree: gr.Button, stop: gr.Button) -> None:
    """Has the buttons, and the loading of the page, change the answers and the page."""

    def show(number: str) -> dict[Block, object]:
        return parts.updates(study, number)

    def join(number: str) -> dict[Block, object]:
        return show(number if study.find(number) else study.join())

    def answer(task: str, choice: int, number: str, position: int) -> dict[Block, object]:
        study.answer(number, position, task, choice)
        return show(number)

    def end_it(number: str) -> dict[Block, object]:
        study.stop(number)
        return show(number)

    def call(event: Callable[..., object], work: Callable, inputs: Sequence[Component], name: str) -> None:
        """Has an event call `work` at once, without Gradio's queue and its sign of progress."""
        event(work, list(inputs), parts.shown, api_name=name, queue=False, show_progress="hidden")

    call(page.load, show, [parts.rater], "resume")
    call(agree.click, join, [parts.rater], "join")
    call(stop.click, end_it, [parts.rater], "stop")
    for task, name in ((REAL_OR_FAKE, "judge"), (MORE_REAL, "choose")):
        for choice, button in enumerate(parts.tasks[task].buttons):
            call(button.click, partial(answer, task, choice), [parts.rater, parts.position], f"{name}_{choice}")


def single_part() -> TaskPart:
    """One picture, real or fake."""
    with gr.Column(visible=False, elem_id="single", elem_classes="narrow") as group:
        gr.Markdown(SINGLE)
        picture = gr.HTML(elem_classes="picture")
        with gr.Row():
            buttons = [answer_button(name.capitalize()) for name in (REAL, FAKE)]
        keys_hint(len(buttons))
    return TaskPart(group, [picture], buttons)


def several_part(number: int) -> TaskPart:
    """`number` pictures, one of which is the most real; side by side, on phones one below the other."""
    pictures, buttons = [], []
    with gr.Column(visible=False, elem_id="several") as group:
        gr.Markdown(SEVERAL)
        with gr.Row():
            for i in range(1, number + 1):
                with gr.Column(min_width=120, elem_classes="candidate"):
                    pictures.append(gr.HTML(elem_classes="picture"))
                    buttons.append(answer_button(f"Picture {i}"))
        keys_hint(number)
    return TaskPart(group, pictures, buttons)


def stop_part() -> gr.Button:
    """The way out, folded away from the answers."""
    with gr.Accordion("Stop here", open=False, elem_classes="narrow"):
        gr.Markdown("Your answers until now are kept. You see which pictures were altered, so you cannot go on.")
        return gr.Button("Stop, and show me the pictures", elem_id="stop")


def answer_button(label: str) -> gr.Button:
    """A button that gives an answer."""
    return gr.Button(label, min_width=100, elem_classes="answer")


def keys_hint(number: int) -> None:
    """A hint at the keys that press the `number` buttons."""
    keys = " and ".join([", ".join(map(str, range(1, number))), str(number)])
    gr.HTML(f'<div class="keys">On a keyboard: keys {keys}, from left to right</div>')


def progress_bar(answered: int, length: int) -> str:
    """The number of the question and a bar, as HTML."""
    text = f"Question {answered + 1} of {length}"
    return (
        f'<div class="progress" role="status"><span>{text}</span>'
        f'<div class="bar"><div style="width: {answered / length:.1%}"></div></div></div>'
    )


def picture_tags(study: Study, question: Question) -> list[str]:
    """The pictures or cards of a question as HTML."""
    images = [
        study.pictures.open(shown, question.name) if question.name else study.pictures.card(CARDS[shown])
        for shown in question.shown
    ]
    alts = [f"Picture {number}" for number in range(1, len(images) + 1)]
    return [picture_tag(image, alt) for image, alt in zip(images, alts, strict=True)]


def picture_tag(image: Image.Image, alt: str) -> str:
    """A picture as HTML that embeds it, so that no address leads to it or hints at others."""
    data = base64.b64encode(png(image)).decode()
    return f'<img src="data:image/png;base64,{data}" alt="{html.escape(alt)}" draggable="false">'


def judged_pictures(study: Study, number: str) -> str:
    """The pictures that a rater judged, each with the truth and the answer, but without the method, as HTML."""
    judged = study.judged(number)
    if not judged:
        return "<p>You judged no pictures as real or fake.</p>"
    figures, right = [], 0
    for question, answer in judged:
        assert question.name is not None  # attention checks are not among them
        image = study.pictures.open(question.shown[0], question.name)
        image.thumbnail((THUMBNAIL, THUMBNAIL))
        kind = "real picture" if truth(question) == REAL else "altered by a model"
        right += answer == truth(question)
        caption = f"<b>{kind.capitalize()}</b><br>You said: {answer}"
        figures.append(f"<figure>{picture_tag(image, kind)}<figcaption>{caption}</figcaption></figure>")
    return (
        f"<p>You were right about {right} of {len(judged)} pictures, which you see here. All pictures of which you "
        f'chose the most real one were altered by a model.</p><div class="judged">{"".join(figures)}</div>'
    )
