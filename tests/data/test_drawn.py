import pytest
import torch

from leed.config import EXPRESSIONS
from leed.data.drawn import ACTIONS, POSES, draw_face, draw_faces, drawn_shots, drawn_triples, expression_actions


def test_every_expression_has_a_pose():
    assert tuple(POSES) == EXPRESSIONS
    assert not expression_actions("neutral", seed=3).any()
    assert torch.equal(expression_actions("happy", 0.5) * 2, expression_actions(1))


def test_drawing_is_deterministic_and_people_differ():
    one, two, other = (draw_face(identity, "happy", size=32) for identity in (1, 1, 2))
    assert one.dtype == torch.uint8 and one.shape == (3, 32, 32)
    assert torch.equal(one, two) and not torch.equal(one, other)


@pytest.mark.parametrize("action", range(len(ACTIONS)), ids=ACTIONS)
def test_every_action_shows(action):
    actions = torch.zeros(2, len(ACTIONS))
    actions[1, action] = 1
    neutral, changed = draw_faces([3, 3], actions, torch.zeros(2), 64).float()
    assert (changed - neutral).abs().max() > 10


def test_intensity_is_continuous():
    faces = [draw_face(5, "surprised", intensity, size=32).float() for intensity in (0, 0.02, 0.5, 1)]
    steps = [(face - faces[0]).abs().mean() for face in faces[1:]]
    assert 0 < steps[0] < 1 and steps[0] < steps[1] < steps[2]


def test_yaw_turns_the_face():
    left, front, right = (draw_face(4, yaw=yaw, size=48).float() for yaw in (-45, 0, 45))
    assert (left - front).abs().mean() > 3 and (right - left).abs().mean() > 3


def test_nonsense_is_refused():
    with pytest.raises(ValueError, match="yaw"):
        draw_face(4, yaw=90)
    with pytest.raises(ValueError, match="expression"):
        draw_face(4, "bored")
    with pytest.raises(ValueError, match="expression"):
        draw_face(4, 8)


def test_triples_hold_true_edits_of_unseen_people():
    triples = drawn_triples(4, size=32)
    assert all(triples[name].shape == (4, 3, 32, 32) for name in ("image", "reference", "target", "image_neutral"))
    assert (triples["expression"] != triples["reference_expression"]).all()
    seen = set(drawn_shots(48, 1)["identity"])
    assert not seen & set(drawn_shots(10, 1, first=50_000)["identity"])


def test_shots_follow_the_seed():
    first, second, other = (drawn_shots(2, 8, seed) for seed in (0, 0, 1))
    assert first["yaw"] == second["yaw"] != other["yaw"]
    assert first["expression"] == list(range(8)) * 2
