"""Old files are removed."""

import os
import time
from pathlib import Path
from types import ModuleType

from gradio.utils import get_upload_folder
from gradio_client.utils import is_file_obj, traverse

from leed.demo import page
from leed.web.sweeping import sweep


def test_old_files_are_removed_with_their_folders(no_worker: None, tiny_actions: ModuleType, small_portrait: Path):
    """Those of requests, of uploads that broke off and of those that Gradio removed: all but what the page shows."""
    built = page.build(3600, 600)
    cache, shown = Path(get_upload_folder()), set()
    for block in built.blocks.values():
        traverse(getattr(block, "value", None), lambda file: shown.add(Path(file["path"])), is_file_obj)
    assert len(shown) > 20 and all(cache in path.parents for path in shown)

    photo = str(small_portrait)
    results = [*tiny_actions.edit(photo), *tiny_actions.make_sequence(photo, 40)]
    (preview, edited), *faces = tiny_actions.render_preview(tiny_actions.Choice(photo))
    pictures = {preview, edited, *faces}
    assert len({path.parent for path in results}) == 2 and len({path.parent for path in pictures}) == 1
    (cache / "empty").mkdir()
    (cache / "tmp12345").write_bytes(b"half a photo")
    time.sleep(1.1)
    os.utime(edited)  # as Gradio touches a file that it serves again
    (new := tiny_actions.result_folder() / "new.png").write_bytes(b"")
    sweep(built, 1)
    left = {path for path in cache.rglob("*") if path.is_file()}
    assert left == shown | pictures | {new}
    assert set(cache.iterdir()) == {path.parent for path in left}
