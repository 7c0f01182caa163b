"""Writes the graphs with which ONNX Runtime runs a published model, and compares them with PyTorch.

    python hub/graphs.py hub/leed-open

`hub/export.py` does the same for a new model.
"""

from pathlib import Path

from leed.commands import command_line, exit_on
from leed.export import compare_graphs, export_graphs

PROGRAM = "python hub/graphs.py"


@exit_on(PROGRAM)
def main(given: list[str] | None = None) -> None:
    """Writes and compares the graphs of the model that the command line names."""
    parser = command_line(PROGRAM, __doc__)
    parser.add_argument("model", type=Path, help="folder of a LEED")
    folder = export_graphs(parser.parse_args(given).model)
    for file in sorted(folder.iterdir()):
        print(f"{file}: {file.stat().st_size / 1e6:.1f} MB")
    for name, difference in compare_graphs(folder.parent).items():
        print(f"{name}: differs from PyTorch by at most {difference:.1e}")


if __name__ == "__main__":
    main()
