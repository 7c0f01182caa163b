"""The page that a rater sees. Nothing that it sends to a browser names a method: pictures come without file names."""

import base64
import html
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import gradio as gr
from PIL import Image

from leed.study.pictures import FAKE, REAL, png
from leed.study.questions import MORE_REAL, OTHER, REAL_OR_FAKE, THIS, Question
from leed.study.rating import Study, truth
from leed.web.launching import launch_safely
from leed.web.theme import page_theme

CONSENT = Path(__file__).parent / "consent.md"
DEBRIEF = Path(__file__).parent / "debrief.md"

TITLE = "Judging pictures of faces"  # says nothing of the methods

SINGLE = "## Is this picture real or fake?"
SEVERAL = "## Which of these pictures looks most real?"
CARDS = {
    REAL: "Please choose\nReal",
    FAKE: "Please choose\nFake",
    THIS: "Please choose\nthis one",
    OTHER: "Not\nthis one",
}
THUMBNAIL = 128  # [px]

CSS = """
.gradio-container { max-width: 1040px !important; margin: 0 auto !important; width: 100%; }
.gradio-container main, .question { width: 100%; }
.gradio-container .html-container { padding: 0; }
:focus-visible { outline: 3px solid var(--primary-600) !important; outline-offset: 2px; }
footer { display: none !important; }
.narrow { width: 100%; max-width: 640px; margin: 0 auto; }
.progress { display: flex; align-items: center; gap: 1rem; white-space: nowrap; }
.progress .bar { flex: 1; height: 8px; border-radius: 4px; background: var(--neutral-200); }
.progress .bar div { height: 100%; border-radius: 4px; background: var(--primary-700); }
.question h2 { text-align: center; margin: 0.25rem 0; }
.picture img { display: block; width: 100%; border-radius: 8px; }
#single .picture { width: min(100%, 400px, 54vh); margin: 0 auto; }
.keys { text-align: center; color: var(--body-text-color-subdued); font-size: var(--text-sm); }
.answer { min-height: 48px; border: 1px solid var(--neutral-400) !important; }
.judged { display: grid; grid-template-columns: repeat(auto-fill, minmax(104px, 1fr)); gap: 1rem 0.75rem; }
.judged figure { margin: 0; }
.judged img { width: 100%; border-radius: 6px; }
.judged figcaption { font-size: var(--text-sm); line-height: 1.3; }
@media (hover: none) { .keys { display: none; } }
@media (max-width: 640px) {  /* three pictures and their buttons on one screen */
    .candidate { flex-direction: row !important; align-items: center; flex-basis: 100% !important; }
    .candidate .picture { flex: 0 0 min(60vw, 24vh); width: min(60vw, 24vh); }
    .candidate .answer { flex: 1; min-width: 0; min-height: 96px; }
    #several .row { gap: 0.5rem; }
}
"""

# Digits press the buttons. What comes right after an answer is a double click, not an answer about the next picture.
SCRIPT = """
<script>
let answered = 0
document.addEventListener('click', event => {
    if (!event.target.closest('.answer')) return
    if (Date.now() - answered < 400) { event.stopImmediatePropagation(); event.preventDefault() }
    else answered = Date.now()
}, true)
document.addEventListener('keydown', event => {
    if (event.repeat || event.ctrlKey || event.metaKey || event.altKey) return
    const buttons = [...document.querySelectorAll('.answer')].filter(button => button.offsetParent)
    buttons[Number(event.key) - 1]?.click()
})
</script>
"""


def launch(study: Study, debrief: str, **options) -> None:
    """Serves a study. The options are those of Gradio's `launch`, besides what the study needs."""
    launch_safely(
        build(study, debrief),
        max_file_size="1kb",  # nothing is uploaded
        theme=page_theme(),
        css=CSS,
        head=SCRIPT,
        footer_links=[],
        **options,
    )


@dataclass(frozen=True)
class TaskPart:
    """The part of the page for one of the two tasks: a button for each choice."""

    group: gr.Column
    pictures: list[gr.HTML]
    buttons: list[gr.Button]


def build(study: Study, debrief: str) -> gr.Blocks:
    """The page of a study; `debrief` is Markdown, shown at the end above the pictures that were judged."""
    with gr.Blocks(title=TITLE, analytics_enabled=False) as page:
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

        def show(number: str) -> dict:
            """The page for a rater: consent, the question that is due, or the end."""
            found = study.find(number)
            question = found and study.due(found)
            visible = {welcome: not found, asking: bool(question), end: bool(found and not question)}
            visible |= {part.group: bool(question) and task == question.task for task, part in tasks.items()}
            updates = {group: gr.update(visible=shown) for group, shown in visible.items()}
            updates |= {rater: number if found else "", position: found.answered if found else 0}
            if question:
                updates[progress] = progress_bar(found.answered, study.length)
                updates |= zip(tasks[question.task].pictures, picture_tags(study, question), strict=True)
            elif found:
                updates[judged] = judged_pictures(study, number)
            return updates

        def join(number: str) -> dict:
            return show(number if study.find(number) else study.join())

        def answer(task: str, choice: int, number: str, position: int) -> dict:
            study.answer(number, position, task, choice)
            return show(number)

        def end_it(number: str) -> dict:
            study.stop(number)
            return show(number)

        shown = [rater, position, welcome, asking, progress, end, judged]
        shown += [component for part in tasks.values() for component in (part.group, *part.pictures)]
        quick = {"outputs": shown, "queue": False, "show_progress": "hidden"}
        page.load(show, rater, api_name="resume", **quick)
        agree.click(join, rater, api_name="join", **quick)
        stop.click(end_it, rater, api_name="stop", **quick)
        for task, name in ((REAL_OR_FAKE, "judge"), (MORE_REAL, "choose")):
            for choice, button in enumerate(tasks[task].buttons):
                button.click(partial(answer, task, choice), [rater, position], api_name=f"{name}_{choice}", **quick)
    return page


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
    """So many pictures, of which one is the most real; side by side, on phones one below the other."""
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
    return gr.Button(label, min_width=100, elem_classes="answer")


def keys_hint(number: int) -> None:
    keys = " and ".join([", ".join(map(str, range(1, number))), str(number)])
    gr.HTML(f'<div class="keys">On a keyboard: keys {keys}, from left to right</div>')


def progress_bar(answered: int, length: int) -> str:
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
    """A picture as HTML that holds it, so that there is no address under which others could be looked for."""
    data = base64.b64encode(png(image)).decode()
    return f'<img src="data:image/png;base64,{data}" alt="{html.escape(alt)}" draggable="false">'


def judged_pictures(study: Study, number: str) -> str:
    """The pictures that a rater judged, each with the truth and the answer; which method altered it is not said."""
    judged = study.judged(number)
    if not judged:
        return "<p>You judged no pictures as real or fake.</p>"
    figures, right = [], 0
    for question, answer in judged:
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
