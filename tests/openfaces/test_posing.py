"""Turning a head: which way, about what, and how the neck follows."""

import numpy as np

from leed.openfaces.posing import CROP, Pivot, Pose, crop_corner, flattened, posed

PIVOT = Pivot(np.array([450.0, 500.0, -100.0]), chin=600.0)
NOSE = np.array([[450.0, 450.0, 60.0]])


def test_no_turn_leaves_a_head_where_it_is():
    points = np.random.default_rng(0).uniform(300, 900, (50, 3))
    assert np.allclose(posed(PIVOT, points, Pose()), points, atol=1e-3)


def test_yaw_turns_the_nose_to_the_images_right_pitch_up_or_down_and_roll_tilts():
    assert posed(PIVOT, NOSE, Pose(yaw=20))[0, 0] > NOSE[0, 0]
    assert np.isclose(posed(PIVOT, NOSE, Pose(yaw=90))[0, 0], PIVOT.centre[0] + 160, atol=1e-3)
    assert posed(PIVOT, NOSE, Pose(pitch=20))[0, 1] > NOSE[0, 1]  # y points down: the head nods
    above = np.array([[450.0, 300.0, -100.0]])
    assert posed(PIVOT, above, Pose(roll=20))[0, 0] < above[0, 0]


def test_turns_keep_distances_above_the_chin_and_fade_out_down_the_neck():
    points = np.array([[400.0, 400, 0], [500.0, 450, 50]])
    turned = posed(PIVOT, points, Pose(30, 10, 5))
    assert np.isclose(np.linalg.norm(turned[0] - turned[1]), np.linalg.norm(points[0] - points[1]), atol=1e-3)
    down = np.array([[450.0, 580, 0], [450.0, 1000, 0]])
    moves = np.linalg.norm(posed(PIVOT, down, Pose(yaw=30)) - down, axis=1)
    assert moves[1] < 0.3 * moves[0]


def test_the_crop_has_the_eyes_in_their_row_and_the_landmarks_box_in_its_middle():
    landmarks = np.random.default_rng(1).uniform(300, 550, (68, 3))
    corner = crop_corner(PIVOT, landmarks, Pose(yaw=22))
    placed = posed(PIVOT, landmarks, Pose(yaw=22))[:, :2] - corner
    assert np.isclose(placed[36:48, 1].mean(), CROP * 100 / 256, atol=0.01)
    assert np.isclose((placed[:, 0].min() + placed[:, 0].max()) / 2, CROP / 2, atol=0.01)


def test_depth_is_kept_in_front_and_reduced_to_its_share_far_behind():
    points = np.array([[0.0, 0, 100], [0, 0, -1000], [0, 0, -1100]])
    flat = flattened(points, scale=20.0)
    assert np.isclose(flat[0, 2], 100, atol=1e-3) and np.isclose(flat[1, 2] - flat[2, 2], 55, atol=0.1)
