"""Builds the open face set from public portraits, or a set like it from your own.

    python -m leed.openfaces build --portraits webmorphR.stim --face_model ICT-FaceKit --output_dir openfaces

docs/openfaces.md has the whole way, from the clones to a trained model.
"""

import argparse
from collections.abc import Sequence

from leed.commands import at_least, command_line, exit_on, folder, output_folder
from leed.openfaces.settings import PARTS, PUBLISHED_PARTS, Settings

PROGRAM = "python -m leed.openfaces"


def parse_args(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = command_line(PROGRAM, __doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    make = commands.add_parser("build", help="build a set, or what is missing of it")
    make.add_argument("--portraits", type=folder, required=True, help="clone of webmorphR.stim, or your own portraits")
    make.add_argument("--face_model", type=folder, required=True, help="clone of ICT-FaceKit")
    make.add_argument(
        "--output_dir", type=output_folder, required=True, help="of the main part; the others lie beside it"
    )
    make.add_argument("--processes", type=at_least(1), default=1, help="each takes about 1.5 GB")
    make.add_argument(
        "--parts", type=_list, default=PUBLISHED_PARTS, help=f"of {','.join(PARTS)}; default: all but large_more"
    )
    make.add_argument("--people", type=_list, help="draw only these, by name: lon001,lon002")
    take = commands.add_parser("remove", help="take people out of a set: their pictures, and all that show them")
    take.add_argument("--portraits", type=folder, required=True, help="of which the set was built")
    take.add_argument("--output_dir", type=folder, required=True, help="of the main part")
    take.add_argument("--people", type=_list, required=True, help="by name: lon001,lon002")
    find = commands.add_parser("landmarks", help="find the points of your own portraits and write their templates")
    find.add_argument("--portraits", type=folder, required=True, help="your own portraits")
    free = commands.add_parser("gallery", help="draw the gallery's blinks, winks, kisses, laughs and vowels")
    free.add_argument("--portraits", type=folder, required=True, help="such as leed/gallery/portraits")
    free.add_argument("--face_model", type=folder, required=True, help="clone of ICT-FaceKit")
    free.add_argument("--output_dir", type=output_folder, required=True, help="of pictures and metadata.csv")
    check = commands.add_parser("compare", help="compare the pictures of two builds")
    check.add_argument("built", type=folder)
    check.add_argument("reference", type=folder)
    check.add_argument("--pictures", type=at_least(1), default=200)
    points = commands.add_parser("correspondence", help="print which vertex each point of a template is")
    points.add_argument("--portraits", type=folder, required=True)
    points.add_argument("--face_model", type=folder, required=True)
    return parser.parse_args(arguments)


@exit_on(PROGRAM)
def main(arguments: Sequence[str] | None = None) -> None:
    """Runs a command."""
    args = parse_args(arguments)
    COMMANDS[args.command](args)


def run_build(args: argparse.Namespace) -> None:
    """Builds, and says what was written."""
    from leed.openfaces.build import build

    options = {name: value for name, value in vars(args).items() if name != "command"}
    for file, rows in build(Settings(**options)).items():
        print(f"{file}: {rows} rows")
    print(f"data sheet and contact sheet: {args.output_dir}")


def run_remove(args: argparse.Namespace) -> None:
    """Takes people out, and says what else may hold them."""
    from leed.openfaces.build import take_out

    for file, rows in take_out(args.portraits, args.output_dir, args.people).items():
        print(f"{file}: {rows} rows fewer")
    print("Weights that learned from them, copies of the set, and their portraits are yours to delete.")


def run_landmarks(args: argparse.Namespace) -> None:
    """Writes the templates that are missing."""
    from leed.openfaces.finding import find_templates, looked_at

    written = find_templates(args.portraits)
    print(f"{len(written)} templates written")
    if written:
        print(f"look at their points before you build: {looked_at(args.portraits)}")


def run_gallery(args: argparse.Namespace) -> None:
    """Draws the pictures, and names each."""
    from leed.openfaces.gallery_faces import draw_gallery

    for path in draw_gallery(args.portraits, args.face_model, args.output_dir):
        print(path)


def run_compare(args: argparse.Namespace) -> None:
    """Prints a row for each kind of pictures."""
    from leed.openfaces.comparison import compare

    print(f"{'kind':32s} pictures  least dB  mean dB")
    for found in compare(args.built, args.reference, args.pictures):
        print(f"{found.kind:32s} {found.pictures:8d} {found.least:9.2f} {found.mean:8.2f}")


def run_correspondence(args: argparse.Namespace) -> None:
    """Prints the vertices, a line each."""
    from leed.openfaces import correspondence, templates
    from leed.openfaces.face_model import read_face_model
    from leed.openfaces.people import published_people
    from leed.openfaces.sources import FACE_MODEL, PORTRAITS, check_source

    check_source(PORTRAITS, args.portraits)
    check_source(FACE_MODEL, args.face_model)
    points = [templates.read_template(person.template) for person in published_people(args.portraits)]
    framed = [templates.transformed(templates.to_working_frame(each), each) for each in points]
    model = read_face_model(args.face_model / "FaceXModel")
    print("\n".join(str(vertex) for vertex in correspondence.find(model, framed)))


def _list(text: str) -> tuple[str, ...]:
    return tuple(word for word in text.split(",") if word)


COMMANDS = {
    "build": run_build,
    "remove": run_remove,
    "landmarks": run_landmarks,
    "gallery": run_gallery,
    "compare": run_compare,
    "correspondence": run_correspondence,
}

if __name__ == "__main__":
    main()
