"""The answers on the Hub: pushed every few minutes to a dataset, and fetched again after a machine lost them."""

import filecmp
import shutil
import tempfile
from pathlib import Path

from huggingface_hub import CommitInfo, CommitScheduler, HfApi
from huggingface_hub.errors import EntryNotFoundError, RepositoryNotFoundError

from leed.study.answers import Answers, AnswersError

FILE = "answers.sqlite"  # in the dataset


class AnswersScheduler(CommitScheduler):
    """Pushes a whole copy of the file of answers when there are new ones; a dataset that it creates is private."""

    def __init__(self, answers: Answers, dataset: str, minutes: float, api: HfApi | None = None) -> None:
        self.answers = answers
        folder = tempfile.mkdtemp(prefix="answers-")
        super().__init__(
            repo_id=dataset, repo_type="dataset", folder_path=folder, every=minutes, private=True, hf_api=api
        )

    def push_to_hub(self) -> CommitInfo | None:
        """Pushes a copy: a file that is written to while it is read would arrive torn."""
        new, pushed = self.folder_path.with_suffix(".new"), self.folder_path / FILE
        new.unlink(missing_ok=True)  # a copy over another differs from it by SQLite's count of changes
        self.answers.copy(new)
        if not pushed.exists() or not filecmp.cmp(new, pushed, shallow=False):
            new.replace(pushed)
        return super().push_to_hub()


def take_up(path: Path, dataset: str, api: HfApi | None = None) -> None:
    """Fetches the dataset's answers if there is no file of them here, as on a restarted Space.

    Raises `AnswersError` if the file here lacks raters that the dataset has, since pushing it would replace them.
    """
    with tempfile.TemporaryDirectory() as folder:
        try:
            fetched = (api or HfApi()).hf_hub_download(dataset, FILE, repo_type="dataset", local_dir=folder)
        except (EntryNotFoundError, RepositoryNotFoundError):
            return  # the first start
        if not path.exists():
            shutil.copyfile(fetched, path)
        elif lacking := Answers(Path(fetched)).raters() - Answers(path).raters():
            raise AnswersError(
                f"{dataset} has {len(lacking)} raters whom {path} lacks; name another dataset, or move {path} away to "
                "continue with the dataset's answers."
            )
