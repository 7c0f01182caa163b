"""Uploads a published folder to the Hub: `python hub/push.py hub/leed-open org/leed-open`."""

import json
from pathlib import Path

from huggingface_hub import HfApi
from huggingface_hub.errors import HTTPError

import leed
from leed.commands import command_line, exit_on
from leed.files import first_line
from leed.networks.remains import REMAINS
from leed.pretrained import CARD, CONFIG, WEIGHTS
from leed.runtime import FOLDER
from leed.uploading import check_uploads

PROGRAM = "python hub/push.py"


def push(folder: Path, repo_id: str, private: bool = False, token: str | None = None) -> str:
    """Loads the folder, which verifies it, then uploads what a visitor or user needs of it. Returns the address.

    Raises `ValueError` or `OSError` for a damaged folder, and where the Hub does not take it.
    """
    model_type = json.loads((folder / CONFIG).read_text())["model_type"]
    getattr(leed, model_type).from_pretrained(folder)
    repo_id = check_uploads([repo_id], token)[0]
    api = HfApi(token=token)
    api.create_repo(repo_id, private=private, exist_ok=True)
    patterns = [CONFIG, WEIGHTS, CARD, "*.webp", "*.png", "figures.json", f"{FOLDER}/*", f"{REMAINS}/*"]
    return api.upload_folder(folder_path=folder, repo_id=repo_id, allow_patterns=patterns).commit_url


@exit_on(PROGRAM, ValueError)
def main(given: list[str] | None = None) -> None:
    """Uploads the folder that the command line names."""
    parser = command_line(PROGRAM, __doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("repo_id", help="for example org/leed-open")
    parser.add_argument("--private", action="store_true")
    parser.add_argument("--token", help="by default the one that `hf auth login` has stored")
    arguments = parser.parse_args(given)
    try:
        print(push(arguments.folder, arguments.repo_id, arguments.private, arguments.token))
    except (HTTPError, OSError, ValueError) as error:
        raise ValueError(
            f"{arguments.folder} was not uploaded to {arguments.repo_id} ({first_line(error)})"
        ) from error


if __name__ == "__main__":
    main()
