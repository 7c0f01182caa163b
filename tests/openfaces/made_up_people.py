"""People who do not exist, for plans."""

from pathlib import Path

from leed.openfaces.people import LONDON, STUDIO, Person

ETHNICITIES = ("white", "white", "black", "white", "east_asian", "west_asian", "white")


def made_up_people(london: int = 36, studio: int = 3) -> list[Person]:
    """People in the order and with the columns of the published set."""
    people = []
    for k in range(london + studio):
        source, name = (LONDON, f"lon{k:03d}") if k < london else (STUDIO, f"sk{'abcdefgh'[k - london]}")
        gender = ("female", "male")[k % 2]
        ethnicity = ETHNICITIES[k // 2 % len(ETHNICITIES)] if source == LONDON else "white"
        place = Path(f"{name}.jpg")
        people.append(Person(name, source, gender, 20.0 + k, ethnicity, place, place.with_suffix(".tem")))
    return people
