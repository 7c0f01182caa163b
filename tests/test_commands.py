"""What all commands share, and that each of them ends in one sentence where files, folders or values are of no use."""

import argparse
import importlib
import importlib.util
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import ROOT, reset_accelerator
from samples import write_triples

from leed import LEED, ExpressionClassifier, Neutralizer
from leed.commands import at_least, device, exit_on, need
from leed.config import TINY, replace
from leed.networks.remains import RemainsEstimator

SPLITS = ("test-0", "pairs-0", "smiles-0", "train-0")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of tiny models, each also damaged, of triples, and of data sets that are of no use."""
    root = tmp_path_factory.mktemp("commands")
    leed = LEED(TINY)
    leed._estimators = (RemainsEstimator(TINY),)
    alone = ExpressionClassifier(replace(TINY, classifier_sees_neutral=False))
    models = {"leed": leed, "evaluator": ExpressionClassifier(TINY), "alone": alone, "neutralizer": Neutralizer(TINY)}
    for name, model in models.items():
        model.save_pretrained(root / name)
    shutil.copytree(root / "leed", root / "damaged")
    (root / "damaged" / "model.safetensors").write_bytes((root / "leed" / "model.safetensors").read_bytes()[:5000])
    write_triples(root, 2)
    (root / "file").write_text("")
    for name in ("empty", "columns-pairs", "garbage-pairs"):
        (root / name).mkdir()
    for split in SPLITS:
        pq.write_table(pa.table({"a": [1]}), root / "columns-pairs" / f"{split}.parquet")
        (root / "garbage-pairs" / f"{split}.parquet").write_bytes(b"no parquet")
    return root


EVALUATION = ["--evaluator", "{root}/evaluator", "--no-identity", "--output_dir", "{output}"]
COMMANDS = {
    "leed.evaluation.__main__": ["--model", "{model}", "--data_dir", "{data}", *EVALUATION],
    "leed.evaluation.neutral": ["--model", "{model}", "--data_dir", "{data}", "--output_dir", "{output}"],
    "leed.evaluation.large": ["--model", "{model}", "--data_dir", "{data}", "--output_dir", "{output}"],
    "leed.evaluation.capacity": ["--model", "{model}", "--dataset_name", "{data}", "--output_dir", "{output}"],
    "leed.evaluation.clips": ["--model", "{model}", "--data_dir", "{data}", "--output_dir", "{output}"],
    "leed.evaluation.mixing": ["--model", "{model}", "--data_dir", "{data}", "--evaluator", "{root}/evaluator"]
    + ["--output_dir", "{output}"],
    "leed.evaluation.remains": ["--model", "{model}", "--rendered", "{data}", "--output_dir", "{output}"],
    "leed.evaluation.photographs": ["--model", "{model}", "--data_dir", "{data}", "--output_dir", "{output}"],
    "leed.evaluation.ablation": ["a={model}", "--data_dir", "{data}", *EVALUATION],
    "leed.evaluation.paper.__main__": ["--leed", "{model}", "--data_dir", "{data}", "--output_dir", "{output}"],
    "leed.training.remains": ["--model", "{model}", "--rendered", "{data}"],
    "leed.training.pseudo_neutrals": ["--neutralizer", "{model}", "--classifier", "{root}/alone"]
    + ["--dataset_name", "{data}", "--output_dir", "{output}"],
    "leed.photo.align_folder": ["{data}", "{output}"],
    "hub/export.py": ["{data}", "name"],
    "hub/graphs.py": ["{model}"],
    "hub/sheets.py": ["{model}"],
}
"""The user study's and `hub/push.py` have tests of their own."""

FAULTS = {
    "model": {"none": "none", "damaged": "damaged"},
    "data": {"none": "nowhere", "empty": "empty", "columns": "columns-pairs", "damaged": "garbage-pairs"},
    "output": {"file": "file"},
}
CASES = [
    (command, kind, fault)
    for command, arguments in COMMANDS.items()
    for kind, faults in FAULTS.items()
    for fault in faults
    if f"{{{kind}}}" in arguments or any(argument.endswith(f"={{{kind}}}") for argument in arguments)
]


def main_of(command: str) -> Callable[[list[str]], None]:
    """The `main` of a module or, for a path, of a script."""
    if not command.endswith(".py"):
        return importlib.import_module(command).main
    # As `__main__`, which it is as a command, it would run; what LEED's modules raise is for the user as well.
    spec = importlib.util.spec_from_file_location(f"leed.{Path(command).stem}", ROOT / command)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main


@pytest.mark.parametrize(("command", "kind", "fault"), CASES)
def test_each_command_ends_in_one_sentence(
    command: str, kind: str, fault: str, place: Path, capsys: pytest.CaptureFixture
) -> None:
    """The sentence names what was given, by its path; an exception of another kind would fail the test."""
    own = "neutralizer" if command == "leed.training.pseudo_neutrals" else "leed"
    given = {"model": own, "data": "faces-pairs", "output": "out"} | {kind: FAULTS[kind][fault]}
    paths = {name: str(place / value) for name, value in given.items()}
    arguments = [argument.format(root=place, **paths) for argument in COMMANDS[command]]
    main = main_of(command)
    reset_accelerator()
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    reset_accelerator()
    printed = capsys.readouterr().err
    sentence = str(ended.value.code) if ended.value.code != 2 else printed.splitlines()[-1]
    assert given[kind] in sentence and sentence.startswith("python "), sentence
    assert "[Errno" not in sentence and not re.search(r"Error: .*Error: ", sentence), sentence


@pytest.mark.parametrize("command", [name for name in COMMANDS if name.startswith("leed.evaluation")])
def test_counts_are_checked_before_the_work(command: str, place: Path, capsys: pytest.CaptureFixture) -> None:
    paths = {"root": place, "model": place / "leed", "data": place / "faces-pairs", "output": place / "out"}
    arguments = [argument.format(**paths) for argument in COMMANDS[command]]
    options = {"large": "--max_photos", "photographs": "--num_wild", "capacity": "--max_faces", "mixing": "--pairs"}
    if command in ("leed.evaluation.clips", "leed.evaluation.remains"):
        return  # they take all
    with pytest.raises(SystemExit, match="2"):
        main_of(command)([*arguments, options.get(command.rpartition(".")[2], "--max_triples"), "0"])
    assert "must be a whole number of at least 1, got 0" in capsys.readouterr().err


def test_mistakes_of_ours_keep_their_traceback() -> None:
    """What numpy refuses is no sentence for a user; what the system refuses is, and so is what LEED says."""
    with pytest.raises(ValueError, match="need at least one array"), exit_on("python -m x"):
        np.concatenate([])
    with pytest.raises(SystemExit, match="python -m x: .*nothing"), exit_on("python -m x"):
        Path("nothing").read_text()
    with pytest.raises(SystemExit, match="python -m x: need at least one array"), exit_on("python -m x", ValueError):
        np.concatenate([])
    with pytest.raises(KeyError), exit_on("python -m x"):
        {}["a"]


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "many", ""])
def test_counts_are_whole_numbers(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=f"at least 1, got {re.escape(text)}"):
        at_least(1)(text)
    assert at_least(1)("12") == 12 and at_least(0)("0") == 0


def test_devices_are_tried() -> None:
    assert device("cpu") == "cpu"
    for text in ("cpux", "meta:x", "cuda:99"):
        with pytest.raises(argparse.ArgumentTypeError, match=f"{text} cannot be used here .*: give cpu"):
            device(text)


def test_a_command_names_the_packages_that_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before it imports them, and only where it is run by `python -m`."""
    need("evaluation", "torch", "no_such_package")
    monkeypatch.setattr(sys, "argv", ["-m"])
    monkeypatch.setattr(sys, "orig_argv", ["python", "-W", "ignore", "-m", "leed.evaluation.large", "--help"])
    need("evaluation", "torch")
    with pytest.raises(SystemExit) as ended:
        need("evaluation", "torch", "no_such_package")
    expected = (
        "python -m leed.evaluation.large: no_such_package not installed; in a clone: pip install '.[evaluation]'"
    )
    assert ended.value.code == expected
