"""Contact sheets of a published model, made of the composite people of the gallery.

    python hub/sheets.py hub/leed-open

writes `contact-sheet.webp` (input, reference, edit, and the input person's own picture of that expression),
`people.webp` (eight people with the eight expressions of one reference person), `free.webp` (blinks, winks, a kiss, a
laugh and vowels: another person's, the edits, and three people's own pictures), `alpha.webp` (alpha from 0 to 1.5) and
`photos.webp` (edits of whole photos, their faces at about three quarters of their size) into the model's folder.
"""

from pathlib import Path

from PIL import Image, ImageDraw
from torch import Tensor

from leed import EXPRESSIONS, LEED, gallery
from leed.commands import command_line, exit_on
from leed.evaluation.edits import ALPHAS
from leed.images import contact_sheet, to_tensor
from leed.photo.editor import FaceEditor
from leed.photo.opening import open_photo

PROGRAM = "python hub/sheets.py"
TITLE_HEIGHT = 20
PHOTO_SIDE = 320  # of a face in photos.webp [px], about 410 in the portraits
PHOTO_EXPRESSIONS = ("happy", "laugh", "surprised", "angry")

Faces = dict[tuple[str, str, str, int], Tensor]
"""Face tensors (1, 3, S, S) by person, expression, camera and variant."""


def gallery_faces(size: int) -> Faces:
    """The faces of the gallery, `size` pixels a side."""
    return {
        (face.person, face.expression, face.camera, face.variant): to_tensor(face.open(), size)
        for face in gallery.faces()
    }


def titled(sheet: Image.Image, titles: list[str]) -> Image.Image:
    """The sheet under a line of titles, one a column."""
    page = Image.new("RGB", (sheet.width, sheet.height + TITLE_HEIGHT), "white")
    page.paste(sheet, (0, TITLE_HEIGHT))
    draw = ImageDraw.Draw(page)
    for i, title in enumerate(titles):
        draw.text(((i + 0.5) * sheet.width / len(titles), TITLE_HEIGHT / 2), title, fill="black", anchor="mm")
    return page


def edits_sheet(leed: LEED, faces: Faces) -> Image.Image:
    """A row an expression: an edit of a frontal face, that person's own picture, and an edit of a turned face."""
    people = sorted({person for person, *_ in faces})
    rows = []
    for i, expression in enumerate(EXPRESSIONS[1:]):
        person, other, third, fourth = (people[(3 * i + step) % len(people)] for step in (0, 4, 5, 9))
        image, reference = faces[person, EXPRESSIONS[1 + (i + 2) % 7], "090", 0], faces[other, expression, "090", 0]
        row = [image, reference, leed.edit(image, reference), faces[person, expression, "090", 0]]
        turned = faces[third, "neutral", "068" if i % 2 else "112", 0]
        reference = faces[fourth, expression, "090", 0]
        rows.append([face[0] for face in (*row, turned, reference, leed.edit(turned, reference))])
    titles = ["input", "reference", "edit", "own picture", "turned input", "reference", "edit"]
    return titled(contact_sheet(rows), titles)


def people_sheet(leed: LEED, faces: Faces) -> Image.Image:
    """Eight people, smiling or not, frontal or turned, with the expressions of the first row's person."""
    model, *people = sorted({person for person, *_ in faces}, reverse=True)
    references = [faces[model, expression, "090", 0] for expression in EXPRESSIONS]
    expressions = [leed.expression(reference) for reference in references]
    rows: list[list[Tensor | None]] = [[None, *(reference[0] for reference in references)]]
    for i, person in enumerate(people[: len(EXPRESSIONS)]):
        expression, camera = (
            (EXPRESSIONS[i // 2 + 1], "090") if i % 2 else ("neutral", ("068", "090", "112")[i // 2 % 3])
        )
        image = faces[person, expression, camera, 0]
        rows.append([image[0], *(leed.edit(image, wanted)[0] for wanted in expressions)])
    return titled(contact_sheet(rows), ["input", *EXPRESSIONS])


def free_sheet(leed: LEED, faces: Faces) -> Image.Image:
    """Free expressions: for each of three people the references, edits of a neutral face, and their own pictures."""
    people = sorted({person for person, *_ in faces})
    free = gallery.EXPRESSIONS[len(EXPRESSIONS) :]
    rows: list[list[Tensor | None]] = []
    for i in (3, 4, 7):
        person, other = people[i], people[(i + 5) % len(people)]
        image = faces[person, "neutral", "090", 0]
        references = [faces[other, expression, "090", 0] for expression in free]
        rows.append([None, *(reference[0] for reference in references)])
        rows.append([image[0], *(leed.edit(image, reference)[0] for reference in references)])
        rows.append([None, *(faces[person, expression, "090", 0][0] for expression in free)])
    return titled(contact_sheet(rows), ["input", *(gallery.in_words(name) for name in free)])


def alpha_sheet(leed: LEED, faces: Faces) -> Image.Image:
    """An expression of growing strength in a row, one row an expression."""
    people = sorted({person for person, *_ in faces})
    rows = []
    for i, expression in enumerate(EXPRESSIONS[1:]):
        image = faces[people[(i + 2) % len(people)], "neutral", "090", 0]
        reference = faces[people[(i + 7) % len(people)], expression, "090", 0]
        prepared = leed.prepare(image, reference)
        rows.append([image[0], reference[0]] + [prepared(alpha)[0] for alpha in ALPHAS])
    return titled(contact_sheet(rows), ["input", "reference"] + [f"alpha {alpha:g}" for alpha in ALPHAS])


def photos_sheet(leed: LEED, faces: Faces) -> Image.Image:
    """Four portraits in a row each, with the expressions of the last of the people; only their crops are shown."""
    other, editor = max(person for person, *_ in faces), FaceEditor(leed)
    expressions = [leed.expression(faces[other, expression, "090", 0]) for expression in PHOTO_EXPRESSIONS]
    rows = []
    for path in gallery.portraits()[1:5]:
        photo = open_photo(path)
        prepared = [editor.prepare(photo, expression) for expression in expressions]
        pictures = [photo, *(edit(1.0).photo for edit in prepared)]
        alignment = prepared[0].alignment
        rows.append([to_tensor(alignment.crop(picture, PHOTO_SIDE), PHOTO_SIDE)[0] for picture in pictures])
    return titled(contact_sheet(rows), ["photo", *PHOTO_EXPRESSIONS])


SHEETS = {
    "contact-sheet": edits_sheet,
    "people": people_sheet,
    "free": free_sheet,
    "alpha": alpha_sheet,
    "photos": photos_sheet,
}


@exit_on(PROGRAM)
def main(given: list[str] | None = None) -> None:
    """Writes the sheets into the model's folder."""
    parser = command_line(PROGRAM, __doc__)
    parser.add_argument("model", type=Path, help="folder of a published LEED")
    folder = parser.parse_args(given).model
    leed = LEED.from_pretrained(folder)
    faces = gallery_faces(leed.config.image_size)
    for name, draw in SHEETS.items():
        sheet = draw(leed, faces)
        sheet.save(folder / f"{name}.webp", quality=90)
        print(folder / f"{name}.webp")


if __name__ == "__main__":
    main()
