"""The page's inputs hand over files and frames."""

import base64

from conftest import ROOT
from gradio.data_classes import ImageData

from leed.demo.components import Camera

PORTRAIT = ROOT / "leed/gallery/portraits/comp02.jpg"


def test_a_camera_hands_over_pictures_not_paths():
    assert Camera(sources=["webcam"], streaming=True).preprocess(ImageData(path=str(PORTRAIT))) is None
    frame = ImageData(url="data:image/jpeg;base64," + base64.b64encode(PORTRAIT.read_bytes()).decode())
    assert Camera(sources=["webcam"], streaming=True).preprocess(frame) == PORTRAIT.read_bytes()
