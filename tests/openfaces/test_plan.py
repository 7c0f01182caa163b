"""The plan of the open face set: the same people, poses and weights each time."""

import numpy as np
import pytest
from made_up_people import made_up_people

from leed.config import EXPRESSIONS
from leed.openfaces.free_plan import free_shots, free_triples
from leed.openfaces.people import OWN
from leed.openfaces.performances import YAWS
from leed.openfaces.plan import large_shots, make_plan, second_view

DIGEST = "130f14d75c02ff6f49d655efb44a047cfe5163f059d31f63ef87ec262a669abb"
"""Of the plan that the published set's first program made for the made-up people."""


@pytest.fixture(scope="module")
def people():
    return made_up_people()


@pytest.fixture(scope="module")
def plan(people):
    return make_plan(people, triples_of_a_person=3)


def test_the_plan_is_that_of_the_program_that_made_the_published_set(plan):
    assert plan.digest() == DIGEST


def test_everybody_shows_each_expression_to_each_camera(plan, people):
    for person in people:
        cells = [(shot.expression, shot.camera) for shot in plan.shots[person.name]]
        assert len(cells) == len(set(cells)) == len(EXPRESSIONS) * len(YAWS)


def test_frontal_neutral_faces_are_at_rest_and_angles_jitter_by_three_degrees(plan):
    for shots in plan.shots.values():
        for shot, yaw in zip(shots, YAWS * len(EXPRESSIONS), strict=True):
            assert abs(shot.pose.yaw - yaw) <= 3 and abs(shot.pose.pitch) <= 3 and abs(shot.pose.roll) <= 3
            assert len(shot.weights) == 53 and 0 <= min(shot.weights) and max(shot.weights) <= 1.6
            at_rest = shot.expression == "neutral" and shot.camera == "090"
            assert (not any(shot.weights)) == at_rest


def test_test_people_are_ten_women_and_ten_men_of_all_ethnicities(plan, people):
    chosen = [person for person in people if person.name in plan.test_people]
    assert [sum(person.gender == gender for person in chosen) for gender in ("female", "male")] == [10, 10]
    assert {person.ethnicity for person in chosen} == {person.ethnicity for person in people}
    assert {person.source for person in chosen} == {"london"}


def test_a_true_edit_is_the_inputs_person_and_pose_with_the_references_weights(plan):
    assert len(plan.triples) == 60
    for triple in plan.triples:
        assert triple.input_person != triple.reference_person
        assert {triple.input_person, triple.reference_person} <= set(plan.test_people)
        assert triple.target.weights == triple.reference.weights and triple.target.pose == triple.input.pose
        assert triple.input.expression != triple.target.expression


def test_a_second_view_is_another_camera_and_the_same_each_time(plan):
    for shot in plan.shots["lon000"]:
        camera, pose = second_view(shot)
        assert camera != shot.camera and second_view(shot) == (camera, pose)


def test_large_shots_are_one_of_each_strong_expression(plan):
    shots = large_shots("lon000", plan.shots["lon000"])
    assert [shot.expression for shot in shots] == sorted(set(EXPRESSIONS) - {"neutral", "contemptuous"})


def test_free_expressions_follow_from_the_persons_name():
    shots, again = free_shots("lon000"), free_shots("lon000")
    assert [shot.file for shot in shots] == [f"lon000_{k:02d}" for k in range(12)]
    for shot, same in zip(shots, again, strict=True):
        assert np.array_equal(shot.weights, same.weights) and shot.pose == same.pose
        assert shot.camera != shot.view_camera and shot.weights.max() <= 1.5
    assert not np.array_equal(shots[0].weights, free_shots("lon001")[0].weights)


def test_free_triples_have_a_true_neutral_face():
    for triple in free_triples(["b", "a", "c"], count=6):
        pictures = {role: (person, weights, pose) for role, person, weights, pose in triple.pictures()}
        assert pictures["target"][0] == pictures["input"][0] != pictures["reference"][0]
        assert np.array_equal(pictures["target"][1], pictures["reference"][1])
        assert not pictures["neutral"][1].any() and pictures["neutral"][2] == pictures["target"][2]


@pytest.mark.parametrize(("count", "tested"), [(3, 0), (4, 2), (40, 4)])
def test_ones_own_people_are_split_by_chance(count, tested):
    people = [
        type(person)(f"p{k}", OWN, *list(vars(person).values())[2:])
        for k, person in enumerate(made_up_people(london=count, studio=0))
    ]
    plan = make_plan(people, triples_of_a_person=2)
    assert len(plan.test_people) == tested and len(plan.triples) == 2 * tested
