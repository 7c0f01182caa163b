"""Times the demo's work against StarGAN's generator, interleaved in one process, and counts multiply-adds.

    python benchmarks/latency.py [--model hub/leed-open] [--threads 2] [--repeats 15] [--large] [--cpu_time]

Batch 1, float32. The budgets are ratios of medians to StarGAN's generator (64 channels, 6 blocks, 128x128, live
instance norm) in PyTorch, eager. Faces alone, in PyTorch: a new one with a prepared reference takes at most 0.5, a
slider step 0.15. As the demo runs them, in ONNX Runtime where the model has graphs (`hub/graphs.py`): a slider step
at most 0.08, a final picture of half a megapixel, with the upper level of a model that has one, 0.2, a new photo of
that size with a reference of the gallery 0.6, a frame of a webcam 0.35; in the last two the face is found and aligned,
edited and pasted back. The live tab searches one frame in 16 for faces; in the others it follows the face, which is
timed with a person who moves, captions included. Without --model the default configuration with random weights is
timed, in PyTorch: time does not depend on weights.
"""

import io
import itertools
import math
import os
import statistics
import time
from collections.abc import Callable

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as in the demo

import torch
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode

from leed import LEED, PRESETS, Expression, ModelConfig
from leed.commands import command_line, exit_on
from leed.config import NEUTRAL
from leed.gallery import portraits
from leed.model import FaceModel
from leed.networks.stargan import StarGANGenerator
from leed.photo.editor import FaceEditor
from leed.photo.live import SEARCH_EVERY, Track, edit_frame
from leed.photo.opening import open_photo
from leed.runtime import OnnxLEED, load

PROGRAM = "python benchmarks/latency.py"
PORTRAIT = next(path for path in portraits() if path.stem == "comp02")
FRAME = (640, 480)  # of a webcam
LARGE = (12, 48)  # megapixels of the photos of --large
STEP = 6  # by which the person in it moves from frame to frame [px]
STARGAN = "StarGAN's generator"
BUDGETS = {
    "edit, PyTorch": 0.5,
    "slider step, PyTorch": 0.15,
    "slider step": 0.08,
    "final picture": 0.2,
    "new photo": 0.6,
    "live frame": 0.35,
    "live frame, followed": 0.35,
}


@torch.no_grad()
def count_gmac(call: Callable[[], object]) -> float:
    """Multiply-adds of convolutions and matrix products of a call, in 1e9."""
    with FlopCounterMode(display=False) as counter:
        call()
    return counter.get_total_flops() / 2e9


@torch.no_grad()
def gmac_of_parts(leed: LEED) -> dict[str, float]:
    """GMAC of each network for one face, by its name in LEED."""
    face = torch.zeros(1, 3, leed.config.image_size, leed.config.image_size)
    code = leed.encode(face)
    delta_exp = leed.extract(code, code)
    return {
        "neutralizer": count_gmac(lambda: leed.neutralizer(face)),
        "encoder": count_gmac(lambda: leed.encode(face)),
        "extractor": count_gmac(lambda: leed.extract(code, code)),
        "interpolator": count_gmac(lambda: leed.interpolate(code, delta_exp)),
        "decoder": count_gmac(lambda: leed.decode(code)),
    }


@torch.no_grad()
def interleaved_medians(
    calls: dict[str, Callable[[], object]], repeats: int, clock: Callable[[], float] = time.perf_counter
) -> dict[str, float]:
    """Median seconds of each call by a clock; they take turns, so that a busy moment meets all of them."""
    for call in calls.values():
        call()  # warm up
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            start = clock()
            call()
            seconds[name].append(clock() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def threaded(call: Callable[[], object], threads: int) -> Callable[[], object]:
    """The same call with a number of PyTorch's threads of its own."""

    def with_threads() -> object:
        torch.set_num_threads(threads)
        return call()

    return with_threads


def face_calls(leed: LEED, threads: int) -> dict[str, Callable[[], object]]:
    """StarGAN's generator, and an edit and a slider step of a face tensor, in PyTorch."""
    stargan = StarGANGenerator(PRESETS["paper"]).eval()  # its instance norm has no running averages
    domain = torch.tensor([NEUTRAL])
    face, reference = torch.rand(2, 1, 3, leed.config.image_size, leed.config.image_size) * 2 - 1
    expression = leed.expression(reference)
    prepared = leed.prepare(face, expression)

    calls = {
        STARGAN: lambda: stargan(face, domain),
        "edit, PyTorch": lambda: leed.edit(face, expression),
        "slider step, PyTorch": lambda: prepared(0.7),
    }
    return {name: threaded(call, threads) for name, call in calls.items()}


def frame_of(photo: Image.Image, x: int = 0) -> Image.Image:
    """A webcam's frame with the person of a photo, `x` pixels to the right of its middle."""
    frame = Image.new("RGB", FRAME, "gray")
    person = photo.resize((round(FRAME[1] * photo.width / photo.height), FRAME[1]))
    frame.paste(person, ((FRAME[0] - person.width) // 2 + x, 0))
    return frame


def camera(editor: FaceEditor, photo: Image.Image, expression: Expression) -> Callable[[], object]:
    """A call that edits the next frame of a person who moves to and fro, as the live tab does."""
    places = [*range(-5 * STEP, 5 * STEP, STEP), *range(5 * STEP, -5 * STEP, -STEP)]
    frames = itertools.cycle([frame_of(photo, x) for x in places])
    track = None

    def next_frame() -> Image.Image:
        nonlocal track
        picture, track = edit_frame(editor, next(frames), expression, last=track)
        return picture

    return next_frame


def demo_calls(model: FaceModel, threads: int) -> dict[str, Callable[[], object]]:
    """The demo's work for a visitor, with as many of PyTorch's threads as it uses (`leed.demo.actions.editor`)."""
    editor, photo = FaceEditor(model), open_photo(PORTRAIT)
    frame = frame_of(photo)
    expression = editor.expression(photo)
    prepared = editor.prepare(photo, expression)
    place = editor.prepare(frame, expression).alignment
    searched = Track(place, frame.size, SEARCH_EVERY)  # so that the frame is searched for faces
    threads = 1 if isinstance(model, OnnxLEED) else threads

    calls = {
        "slider step": lambda: prepared.face(0.7),
        "final picture": lambda: prepared(0.7),
        "new photo": lambda: editor.edit(photo, expression),
        "live frame": lambda: edit_frame(editor, frame, expression, last=searched),
        "live frame, followed": camera(editor, photo, expression),
    }
    return {name: threaded(call, threads) for name, call in calls.items()}


def large_calls(model: FaceModel, threads: int) -> dict[str, Callable[[], object]]:
    """A new photo from the bytes of its file, of 12 and 48 megapixels, and one of half that is searched finely."""
    editor, portrait = FaceEditor(model), open_photo(PORTRAIT)
    expression = editor.expression(portrait)
    threads = 1 if isinstance(model, OnnxLEED) else threads

    def edit_file(data: bytes) -> Callable[[], object]:
        return threaded(lambda: editor.edit(open_photo(io.BytesIO(data)), expression), threads)

    calls = {f"new photo, {size} MP": edit_file(jpeg_of(portrait, size)) for size in LARGE}
    small = Image.new("RGB", portrait.size, "gray")  # faces of 8 % of the longer side
    person = portrait.resize((portrait.width // 6, portrait.height // 6))
    for x, y in itertools.product(range(4), range(4)):
        small.paste(person, (x * portrait.width // 4, y * portrait.height // 4))
    return calls | {"new photo, 16 small faces": threaded(lambda: editor.edit(small, expression), threads)}


def jpeg_of(photo: Image.Image, megapixels: float) -> bytes:
    """A JPEG file that shows a photo in so many megapixels."""
    scale = math.sqrt(megapixels * 1e6 / (photo.width * photo.height))
    buffer = io.BytesIO()
    photo.resize((round(photo.width * scale), round(photo.height * scale))).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def print_large(
    model: FaceModel, stargan: Callable[[], object], threads: int, repeats: int, clock: Callable[[], float]
) -> None:
    """Prints the seconds of `large_calls`, beside StarGAN's generator in the same turns; there is no budget."""
    medians = interleaved_medians({STARGAN: stargan} | large_calls(model, threads), repeats, clock)
    print(f"median of {repeats} turns; files are opened as well")
    for name, seconds in medians.items():
        print(f"  {name:26s} {seconds * 1000:7.1f} ms, {seconds / medians[STARGAN]:.2f} of StarGAN's time")


@exit_on(PROGRAM)
def main(arguments: list[str] | None = None) -> None:
    parser = command_line(PROGRAM, __doc__)
    parser.add_argument("--model", help="LEED: a folder or a name on the Hub")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--large", action="store_true", help="time photos of 12 and 48 megapixels as well")
    parser.add_argument(
        "--cpu_time", action="store_true", help="time of the processor, for one that others use as well"
    )
    options = parser.parse_args(arguments)
    clock = time.process_time if options.cpu_time else time.perf_counter

    torch.set_num_threads(options.threads)
    leed = LEED.from_pretrained(options.model) if options.model else LEED(ModelConfig()).eval()
    model = load(options.model) if options.model else leed
    calls = face_calls(leed, options.threads)

    print(f"GMAC for one face of {leed.config.image_size}x{leed.config.image_size}")
    for name, gmac in ({STARGAN: count_gmac(calls[STARGAN])} | gmac_of_parts(leed)).items():
        print(f"  {name:24s} {gmac:7.3f}")

    calls |= demo_calls(model, options.threads)
    medians = interleaved_medians(calls, options.repeats, clock)
    engine = "ONNX Runtime" if isinstance(model, OnnxLEED) else "PyTorch"
    level = "with the upper level" if model.config.upper_widths else "the model has no upper level"
    print(f"median of {options.repeats} turns, {options.threads} threads; the demo's calls in {engine}; {level}")
    for name, seconds in medians.items():
        print(f"  {name:24s} {seconds * 1000:7.1f} ms")
    for name, budget in BUDGETS.items():
        ratio = medians[name] / medians[STARGAN]
        verdict = "kept" if ratio <= budget else "MISSED"
        print(f"{name}: {ratio:.3f} of StarGAN's time (budget {budget}: {verdict})")
    if options.large:
        print_large(model, calls[STARGAN], options.threads, max(1, options.repeats // 3), clock)


if __name__ == "__main__":
    main()
