"""Uploads a published folder to the Hub: `python hub/push.py hub/leed-open org/leed-open`."""

import argparse
import json
from pathlib import Path

from huggingface_hub import HfApi

import leed
from leed.networks.remains import REMAINS
from leed.pretrained import CARD, CONFIG, WEIGHTS
from leed.runtime import FOLDER


def push(folder: Path, repo_id: str, private: bool = False, token: str | None = None) -> str:
    """Loads the folder, which verifies it, then uploads what a visitor or user needs of it. Returns the address."""
    model_type = json.loads((folder / CONFIG).read_text())["model_type"]
    getattr(leed, model_type).from_pretrained(folder)
    api = HfApi(token=token)
    api.create_repo(repo_id, private=private, exist_ok=True)
    patterns = [CONFIG, WEIGHTS, CARD, "*.webp", "*.png", "figures.json", f"{FOLDER}/*", f"{REMAINS}/*"]
    return api.upload_folder(folder_path=folder, repo_id=repo_id, allow_patterns=patterns).commit_url


def main() -> None:
    """Uploads the folder that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("repo_id", help="for example org/leed-open")
    parser.add_argument("--private", action="store_true")
    parser.add_argument("--token", help="by default the one that `hf auth login` has stored")
    arguments = parser.parse_args()
    print(push(arguments.folder, arguments.repo_id, arguments.private, arguments.token))


if __name__ == "__main__":
    main()
