"""The precision with which photos are aligned, and the fit of what `leed.photo.alignment` learned from data.

    python benchmarks/alignment.py measure --data_dir openfaces
    python benchmarks/alignment.py fit --data_dir openfaces
    python benchmarks/alignment.py small
    python benchmarks/alignment.py still

`measure` hides every rendered test picture of the open face set in a photo (random size, place and roll), finds and
aligns the face, and compares with the set's own crop, eyes levelled: the distance between the positions of the eyes in
both crops, in pixels of a crop of 128. The people of the fit are others.

`fit` writes `leed/photo/alignment.safetensors` from the training pictures, each seen through misplaced windows, some
grey, dark or coarse, and mirrored.

`small` counts the faces found of twelve gallery people, and of six beside a large face, in photos of 1, 12 and 48
megapixels, and `still` says how far
the crop of a camera's face jumps when a search follows frames in which it was followed. Both need no data.
"""

import itertools
import time
from collections.abc import Iterator

import numpy as np
import safetensors.numpy
from datasets import Dataset, load_dataset
from PIL import Image, ImageEnhance

from leed.commands import command_line, exit_on
from leed.gallery import portraits
from leed.photo.alignment import REFINEMENT, WINDOW, align, window_around
from leed.photo.detection import detector, find_faces
from leed.photo.geometry import EYE_ROW, Alignment, padded_crop
from leed.photo.live import MAX_SIDE, SEARCH_EVERY, track_face
from leed.photo.opening import open_photo

PROGRAM = "python benchmarks/alignment.py"
CROP_SIDE = 200  # of the crop in the set's pictures of 256 pixels: the square (28, 40, 228, 240)
MIDDLE = 128  # column of the head's middle, in the same pixels
RIDGE = 0.03  # in units of the mean squared length of the features
VIEWS = 3  # windows of each training picture
YAWS = ((-60, -33), (-33, -11), (-11, 11), (11, 33), (33, 60))


def pictures(data_dir: str, split: str, limit: int | None) -> Dataset:
    """The rendered pictures of a split, shuffled; the real smiles have no landmarks of the mouth."""
    faces = load_dataset("parquet", data_dir=data_dir, split=split)
    faces = faces.filter(lambda real: [not value for value in real], input_columns="real", batched=True)
    return faces.shuffle(seed=0).select(range(min(limit or len(faces), len(faces))))


def true_alignment(row: dict) -> tuple[Alignment, np.ndarray]:
    """The set's own crop with the eyes levelled, and the eyes (2, 2), in pixels of the picture."""
    landmarks = np.reshape(row["landmarks"], (68, 2))
    eyes = np.stack([landmarks[36:42].mean(0), landmarks[42:48].mean(0)])
    middle, right = eyes.mean(0), eyes[1] - eyes[0]
    roll = np.arctan2(right[1], right[0])
    level = (landmarks - middle) @ np.array([np.cos(roll), np.sin(roll)])  # columns once the eyes are level
    # Between the outermost landmarks lies the middle, up to the expression, which the set does not let move it.
    shift = (level.min() + level.max()) / 2 + middle[0] - (landmarks[:, 0].min() + landmarks[:, 0].max()) / 2
    anchor = middle + (MIDDLE + shift - middle[0]) * np.array([np.cos(roll), np.sin(roll)])
    return Alignment.at_eyes(anchor, roll, CROP_SIDE), eyes


def hide(picture: Image.Image, rng: np.random.Generator) -> tuple[Image.Image, Alignment]:
    """A photo with the picture somewhere in it, rolled and resized, and the picture's place in it."""
    size = rng.integers(300, 900, 2)
    side = size.min() * rng.uniform(0.6, 1.0)
    angle = np.radians(rng.uniform(-15, 15))
    middle = size / 2 + rng.uniform(-0.5, 0.5, 2) * (size - side)
    across = side * np.array([np.cos(angle), np.sin(angle)])
    corner = middle - 0.5 * across - 0.5 * np.array([-across[1], across[0]])
    place = Alignment(tuple(corner), tuple(across))

    margin = 1280  # more than the photo can show of the picture's surroundings, which repeat its border
    wide = padded_crop(picture, (-margin, -margin, 256 + margin, 256 + margin))
    (a, b), (d, e) = place.axes * (256 / side**2)
    x, y = place.to_crop(np.zeros(2)) * 256 + margin
    photo = wide.transform(tuple(size.tolist()), Image.Transform.AFFINE, (a, b, x, d, e, y), Image.Resampling.BICUBIC)
    return photo, place


def measure(data_dir: str, limit: int | None, size: int = 128) -> None:
    """Prints the error of the eyes per yaw."""
    rng = np.random.default_rng(0)
    found_yaws, distances, scales, missed = [], [], [], 0
    for row in pictures(data_dir, "test", limit):
        photo, place = hide(row["image"].convert("RGB"), rng)
        truth, eyes = true_alignment(row)
        faces = find_faces(photo)
        if not faces:
            missed += 1
            continue
        _, found = align(photo, faces[0], size)
        eyes_found = found.to_crop(place.to_photo(eyes / 256))
        distances.append(np.linalg.norm(eyes_found - truth.to_crop(eyes), axis=1) * size)
        scales.append(found.side / (truth.side * place.side / 256))
        found_yaws.append(row["yaw"])
    yaws, errors = np.array(found_yaws), np.array(distances)
    print(f"{len(yaws)} faces found, {missed} missed; scale {np.mean(scales):.3f}, deviation {np.std(scales):.3f}")
    print(f"distance of the eyes from the set's own convention, in pixels of a crop of {size}")
    print("yaw          faces  median  95 %  within 2 px")
    for low, high in (*YAWS, (-90, 90)):
        part = errors[(yaws >= low) & (yaws < high)]
        if len(part):
            median, high_error = np.quantile(part, (0.5, 0.95))
            print(f"{low:4} to {high:3}  {len(part):6} {median:7.2f} {high_error:5.2f} {(part < 2).mean():12.0%}")


def group(width: int, share: float) -> Image.Image:
    """A photo (4:3) of twelve gallery people whose faces are `share` of its width high."""
    height = width * 3 // 4
    photo = Image.new("RGB", (width, height), (180, 182, 178))
    for number in range(12):
        person = open_photo(portraits()[number % 10])
        scale = share * width / find_faces(person)[0].height
        person = person.resize((round(person.width * scale), round(person.height * scale)), Image.Resampling.LANCZOS)
        photo.paste(person, (number % 4 * width // 4 + width // 40, number // 4 * height // 3 + height // 40))
    return photo


def beside(width: int, share: float) -> Image.Image:
    """The same photo with one person more, in its right half, whose face is 35 % of its width high."""
    photo = group(width, share)
    person = open_photo(portraits()[-1])
    scale = 0.35 * width / find_faces(person, fine=False)[0].height
    person = person.resize((round(person.width * scale), round(person.height * scale)), Image.Resampling.LANCZOS)
    photo.paste(person.crop((0, 0, width // 2, photo.height)), (width // 2, 0))
    return photo


def small() -> None:
    """Prints how many small faces are found, by a quick search alone and in all, and the seconds of the whole.

    Of twelve, and then of six beside one large face.
    """
    print("twelve alone, then six and one large one")
    print("photo         face     quick  in all  seconds")
    for make, width in itertools.product((group, beside), (1155, 4000, 8000)):
        for share in (0.025, 0.04, 0.05, 0.1):
            photo = make(width, share)
            quick = len(find_faces(photo, fine=False))
            start = time.perf_counter()
            found = len(find_faces(photo))
            seconds = time.perf_counter() - start
            megapixels = photo.width * photo.height / 1e6
            print(f"{megapixels:4.0f} MP  {share:6.1%} ({share * width:3.0f} px) {quick:5} {found:7} {seconds:8.2f}")


def still(frames: int = 34) -> None:
    """Prints how far the crop of ten portraits jumps between equal frames, of which one in 16 is searched for faces.

    Also the distance of a search's own crop from the followed one.
    """
    jumps, distances = [], []
    for path in portraits():
        frame = open_photo(path)
        frame.thumbnail((MAX_SIDE, MAX_SIDE), Image.Resampling.BILINEAR)
        places, track = [], None
        for _ in range(frames):
            track = track_face(frame, track)
            assert track is not None
            places.append(track.alignment)
        _, searched = align(frame, find_faces(frame, fine=False)[0])
        steps = [later.distance(earlier) for earlier, later in itertools.pairwise(places)]
        jumps.append(steps[SEARCH_EVERY])
        distances.append(searched.distance(places[SEARCH_EVERY]))
        print(
            f"{path.stem}: largest jump {max(steps):.4f} of the side, when searched again {jumps[-1]:.4f}; "
            f"a search alone {distances[-1]:.4f} away"
        )
    print(f"largest when searched again {max(jumps):.4f}, of a search alone {max(distances):.4f}")


def disturbed(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """The picture, sometimes grey, brighter or darker, or coarse."""
    if rng.random() < 0.4:
        image = image.convert("L").convert("RGB")
    if rng.random() < 0.5:
        image = ImageEnhance.Brightness(image).enhance(rng.uniform(0.5, 1.4))
    if rng.random() < 0.3:
        side = int(rng.uniform(48, 160))
        image = image.resize((side, side), Image.Resampling.BILINEAR).resize(image.size, Image.Resampling.BICUBIC)
    return image


def samples(faces: Dataset, rng: np.random.Generator) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Features (2, F) of misplaced windows and their mirror images, and the crop in them (2, 4)."""
    for row in faces:
        truth, _ = true_alignment(row)
        for _ in range(VIEWS):
            rough = Alignment.at_eyes(
                truth.to_photo(np.array([0.5, EYE_ROW]) + rng.normal(0, 0.025, 2)),
                truth.angle + np.radians(rng.normal(0, 3.5)),
                truth.side * np.exp(rng.normal(0, 0.06)),
            )
            window = window_around(rough)
            picture = disturbed(window.view(row["image"].convert("RGB"), WINDOW), rng)
            x, y = window.to_crop(truth.to_photo(np.array([0.5, EYE_ROW]))) - 0.5
            target = np.array([x, y, np.log(truth.side / window.side), truth.angle - window.angle])
            features, _ = detector().look(picture)
            yield features, np.stack([target, target * (-1, 1, 1, -1)])


def fit(data_dir: str, limit: int | None) -> None:
    """Writes the ridge regression from features to crops."""
    features, targets = [], []
    for number, (feature, target) in enumerate(samples(pictures(data_dir, "train", limit), np.random.default_rng(0))):
        features.append(feature.astype(np.float32))
        targets.append(target)
        if number % 500 == 0:
            print(number, flush=True)
    x, y = np.concatenate(features), np.concatenate(targets)
    mean, middle = x.mean(0), y.mean(0)
    x, y = x - mean, y - middle
    gram = (x.T @ x).astype(np.float64)
    weight = np.linalg.solve(gram + RIDGE * np.trace(gram) / len(x) * np.eye(len(gram)), x.T @ y)
    tensors = {"weight": weight.astype(np.float32), "bias": (middle - mean @ weight).astype(np.float32)}
    safetensors.numpy.save_file(tensors, REFINEMENT)
    print(
        f"wrote {REFINEMENT.name}; error on its own samples (x, y, log side, roll):", (x @ weight - y).std(0).round(4)
    )


@exit_on(PROGRAM)
def main() -> None:
    parser = command_line(PROGRAM, __doc__)
    parser.add_argument("task", choices=("measure", "fit", "small", "still"))
    parser.add_argument("--data_dir", default="openfaces", help="folder of the open face set, for measure and fit")
    parser.add_argument("--limit", type=int, help="number of pictures to use; default: all")
    arguments = parser.parse_args()
    if arguments.task in ("small", "still"):
        {"small": small, "still": still}[arguments.task]()
    else:
        {"measure": measure, "fit": fit}[arguments.task](arguments.data_dir, arguments.limit)


if __name__ == "__main__":
    main()
