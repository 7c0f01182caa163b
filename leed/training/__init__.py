"""Training: losses, stages, settings, the run."""

from leed.commands import need

need("train", "accelerate", "datasets", "pyarrow", "timm", "torchvision")
