"""Edits a face with an installed wheel that has no extras: `python -I .ci/try_wheel.py hub/leed-open`, in any folder.

`-I` keeps Python from importing the clone instead of the wheel.
"""

import sys
from importlib.metadata import distributions
from pathlib import Path

from PIL import Image

import leed
from leed import gallery

installed = Path(leed.__file__).parent
assert Path(sys.prefix) in installed.parents, f"leed is imported from {installed}, not from the wheel"

model = leed.LEED.from_pretrained(Path(sys.argv[1]).resolve())
face, reference = (
    next(face for face in gallery.faces(camera=gallery.FRONTAL) if (face.person, face.expression) == shown).open()
    for shown in (("comp02", "neutral"), ("comp07", "happy"))
)
edited = model.edit(face, reference, alpha=1.0)
assert isinstance(edited, Image.Image) and edited.size == (128, 128), f"edit returned {edited}"
assert gallery.portraits(), "the wheel has no portraits"
print(f"Edited a face of the gallery with a wheel and {len(list(distributions()))} installed packages.")
