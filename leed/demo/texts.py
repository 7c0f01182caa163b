"""What the page says, in Markdown; `{names}` are filled in by the page."""

TITLE = """
# LEED
**Your face, another expression.** Give a photo and a face that shows an expression, choose how strong: the same person
comes out with that expression.
"""

CAPTION = (
    "**AI-modified picture:** a model made the expression, not the person. "
    "Saved files carry a mark that says so ({marks})."
)

DELETED = "Your {what} was deleted after an hour: please give it again."

DOUBTS = {
    "photo": "{parts} in your photo {keep} an expression of {their} own: strength 0 shows what is left of it, and the "
    "chosen expression comes on top. If the result looks odd, choose a photo with {calm}.",
    "reference": "{parts} in your reference could not be read fully, so {their} expression may come out weak. If it "
    "does, take a sharper picture, more from the front, or a face of the gallery.",
}

PARTS = {
    ("mouth",): {"parts": "The mouth", "keep": "keeps", "their": "its", "calm": "a closed, calm mouth"},
    ("eyes",): {"parts": "The eyes", "keep": "keep", "their": "their", "calm": "open, calm eyes"},
    ("mouth", "eyes"): {
        "parts": "Mouth and eyes",
        "keep": "keep",
        "their": "their",
        "calm": "a closed mouth and open, calm eyes",
    },
}


def doubt(kind: str, parts: tuple[str, ...]) -> str:
    """What to say of a "photo" or a "reference" whose parts keep an expression; nothing if there are none."""
    return DOUBTS[kind].format(**PARTS[parts]) if parts else ""


ABOUT = """
**What it is for.** Research, teaching and play with your own face, or with the face of someone who agreed to it.

**What it is not for.** Do not use pictures of people without their consent, do not present a result as something a
person did or felt, and do not judge anyone by it. It edits expressions; it does not recognise people or read emotions.

**What happens to your pictures and clips.** They are used for your edits only and are not logged. Their files are
deleted after about an hour; they leave the memory when newer ones come.

The example people and all faces of the gallery do not exist: each is an average of three to five people, with rendered
expressions; modified from the Face Research Lab London Set (DeBruine and Jones, 2017,
[doi 10.6084/m9.figshare.5047666.v5](https://doi.org/10.6084/m9.figshare.5047666.v5)), CC-BY 4.0. The edit happens on
the face at {size}x{size} pixels.
"""
