"""The gallery: who is in it and what they show."""

from leed import gallery
from leed.config import EXPRESSIONS


def test_everybody_shows_every_expression_from_the_front() -> None:
    shown = {(face.person, face.expression) for face in gallery.faces(gallery.FRONTAL)}
    people = [path.stem for path in gallery.portraits()]
    assert shown == {(person, expression) for person in people for expression in gallery.EXPRESSIONS}
    assert len(people) == 10


def test_free_expressions_come_after_the_eight_so_that_numbers_stay() -> None:
    faces = gallery.faces(gallery.FRONTAL)
    assert gallery.EXPRESSIONS[: len(EXPRESSIONS)] == EXPRESSIONS
    assert [face.is_posed for face in faces] == [True] * 220 + [False] * 80
    assert all(face.open().size == (200, 200) for face in faces[220:])
