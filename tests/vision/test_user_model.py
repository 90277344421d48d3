"""A user's own classifier by manifest: the example of docs/vision.md, with random weights."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from glasses_signals.errors import BadModel
from glasses_signals.interests.label_mapper import LabelMapper
from glasses_signals.media.photo import decode_photo
from glasses_signals.models.build import build
from glasses_signals.models.manifest import manifests_dir
from glasses_signals.vision.tagger import Tagger, VisionSettings

MANIFEST = """
name = "my-classifier"
kind = "torchvision"
licence = "mine"

[[source]]
name = "weights"
file = "my.pth"
sha256 = "{sha256}"

[input]
size = 64
mean = [0.485, 0.456, 0.406]
std = [0.229, 0.224, 0.225]

[output]
labels = "my-labels.txt"
table = "my"

[recipe]
architecture = "{architecture}"
num_classes = 3

[parity]
min_top1_agreement = 0.9
max_probability_difference = 0.001
min_fp16_top1_agreement = 0.8
"""


def weights(folder: Path) -> None:
    """A squeezenet of random weights: the smallest classifier that torchvision has."""
    import torch

    from glasses_signals.models.recipes.efficientnet import import_torchvision_models

    torch.manual_seed(0)
    model = import_torchvision_models().get_model("squeezenet1_1", weights=None, num_classes=3)
    torch.save(model.state_dict(), folder / "my.pth")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("user-model")
    weights(made)
    (made / "my-labels.txt").write_text("bicycle wheel\ncoffee cup\nclinic sign\n")
    return made


def manifest(folder: Path, architecture: str = "squeezenet1_1") -> str:
    sha256 = hashlib.sha256((folder / "my.pth").read_bytes()).hexdigest()
    path = folder / f"{architecture}.toml"
    path.write_text(MANIFEST.format(sha256=sha256, architecture=architecture))
    return str(path)


def test_a_torchvision_classifier_of_the_users_is_built_and_tags(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GLASSES_SIGNALS_CACHE", str(folder / "cache"))
    name = manifest(folder)
    build([name], report=lambda line: None)
    tagger = Tagger(VisionSettings(model=name, device="cpu"))
    (labels,) = tagger.tag([decode_photo(manifests_dir() / "parity" / "coffee.jpg")])
    assert {label.class_id for label in labels} <= {"my:0", "my:1", "my:2"}
    assert sum(label.probability for label in labels) == pytest.approx(1, abs=0.03)


def test_an_architecture_that_torchvision_lacks_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GLASSES_SIGNALS_CACHE", str(folder / "cache"))
    with pytest.raises(BadModel, match="no classifier 'resnet_of_dreams'"):
        build([manifest(folder, "resnet_of_dreams")], report=lambda line: None)


def test_a_table_of_the_users_says_what_classes_suggest(tmp_path: Path) -> None:
    table = tmp_path / "mine.tsv"
    table.write_text(
        "class_id\tname\tinterests\tleft_out\n"
        "my:0\tbicycle wheel\t625\t\n"
        "my:1\tcoffee cup\t377\t\n"
        "my:2\tclinic sign\t\tsensitive:health\n"
    )
    mapper = LabelMapper(tables=[str(table)])
    assert [row.interests for row in mapper.rows.values()] == [("625",), ("377",), ()]
    table.write_text("class_id\tname\tinterests\tleft_out\nmy:0\tbicycle wheel\t\t\n")
    with pytest.raises(BadModel, match="interests or a reason"):
        LabelMapper(tables=[str(table)])
