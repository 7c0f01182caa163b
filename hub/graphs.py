"""Writes the graphs with which ONNX Runtime runs a published model, and compares them with PyTorch.

    python hub/graphs.py hub/leed-open

`hub/export.py` does the same for a new model.
"""

import argparse
from pathlib import Path

from leed.export import compare_graphs, export_graphs


def main() -> None:
    """Writes and compares the graphs of the model that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="folder of a LEED")
    folder = export_graphs(parser.parse_args().model)
    for file in sorted(folder.iterdir()):
        print(f"{file}: {file.stat().st_size / 1e6:.1f} MB")
    for name, difference in compare_graphs(folder.parent).items():
        print(f"{name}: differs from PyTorch by at most {difference:.1e}")


if __name__ == "__main__":
    main()
