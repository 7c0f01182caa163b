"""Evaluation. `python -m leed.evaluation` measures edits, `python -m leed.evaluation.neutral` neutral faces.

`python -m leed.evaluation.ablation` puts models side by side, `python -m leed.evaluation.photographs` measures edits
of photographs without truth; `python -m leed.evaluation.paper` makes the paper's tables and figures.
"""

from leed.commands import need

need("evaluation", "accelerate", "datasets", "imageio_ffmpeg", "onnxruntime", "pyarrow", "torchmetrics", "torchvision")
