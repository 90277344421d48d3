import json
import shutil
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def photo_uploads(samples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample bundles with their photos alone: enough to give profiles, and quick. One photo is
    cut off on purpose. Not to be changed."""
    root = tmp_path_factory.mktemp("photos")
    for bundle in sorted((samples / "uploads").iterdir()):
        shutil.copytree(bundle, root / bundle.name)
        manifest = json.loads((bundle / "upload.json").read_text())
        manifest["items"] = [item for item in manifest["items"] if item["kind"] == "photo"]
        (root / bundle.name / "upload.json").write_text(json.dumps(manifest))
    return root
