from __future__ import annotations

import pickle

import numpy as np
import pytest

from glasses_signals.errors import BadModel
from glasses_signals.media.photo import decode_photo
from glasses_signals.models.manifest import manifests_dir
from glasses_signals.records import Image, Label
from glasses_signals.vision.tagger import Tagger, VisionSettings

# What each shipped photo shows first, and how sure the model is of it (torch 2.13 and ONNX Runtime
# 1.32 agree to 1e-5; the bounds leave room for other decoders).
GOLDEN = {
    "cat.jpg": ("Egyptian cat", 0.379),
    "coffee.jpg": ("espresso", 0.863),
}


@pytest.fixture(scope="module")
def tagger() -> Tagger:
    return Tagger(VisionSettings(device="cpu"))


def photo(name: str) -> Image:
    return decode_photo((manifests_dir() / "parity" / name).read_bytes(), name)


@pytest.fixture(scope="module")
def canaries() -> list[Image]:
    """Twelve pictures that nobody could mix up: three photos, each turned four ways."""
    pictures = []
    for name in ("cat.jpg", "coffee.jpg", "rocket.jpg"):
        for turns in range(4):
            pixels = np.ascontiguousarray(np.rot90(photo(name).pixels, turns))
            pictures.append(Image(pixels, pixels.shape[1], pixels.shape[0]))
    return pictures


@pytest.mark.parametrize(("name", "expected"), GOLDEN.items())
def test_a_photo_is_tagged_with_what_it_shows(
    tagger: Tagger, name: str, expected: tuple[str, float]
) -> None:
    (labels,) = tagger.tag([photo(name)])
    assert labels[0].name == expected[0]
    assert labels[0].probability == pytest.approx(expected[1], abs=0.03)
    assert labels[0].class_id.startswith("imagenet:")


def test_labels_come_most_probable_first_and_over_the_floor(tagger: Tagger) -> None:
    (labels,) = tagger.tag([photo("rocket.jpg")])
    probabilities = [label.probability for label in labels]
    assert probabilities == sorted(probabilities, reverse=True)
    assert min(probabilities) >= VisionSettings().floor
    assert sum(probabilities) <= 1.0 + 1e-5


@pytest.fixture(scope="module")
def alone(canaries: list[Image]) -> list[tuple[Label, ...]]:
    """What each canary is taken for with nobody beside it."""
    one_by_one = Tagger(VisionSettings(device="cpu", batch=1))
    return [one_by_one.tag([canary])[0] for canary in canaries]


@pytest.mark.parametrize("batch", [1, 2, 3, 4, 7, 12, 32])
def test_no_answer_is_shifted_or_changed_by_its_neighbours(
    canaries: list[Image], alone: list[tuple[Label, ...]], batch: int
) -> None:
    together = Tagger(VisionSettings(device="cpu", batch=batch))
    for shift in (0, 1, 5):
        order = [*range(shift, len(canaries)), *range(shift)]
        assert together.tag([canaries[i] for i in order]) == [alone[i] for i in order]


def test_no_pictures_give_no_labels(tagger: Tagger) -> None:
    assert tagger.tag([]) == []


def test_a_pickled_tagger_gives_the_same_answers(tagger: Tagger) -> None:
    picture = photo("cat.jpg")
    assert pickle.loads(pickle.dumps(tagger)).tag([picture]) == tagger.tag([picture])


def test_the_models_in_use_are_named_with_their_sums(tagger: Tagger) -> None:
    assert list(tagger.models) == ["efficientnet-lite0"]
    assert len(tagger.models["efficientnet-lite0"]) == 64
    assert tagger.provider == "CPUExecutionProvider"


def test_an_unknown_model_is_refused() -> None:
    with pytest.raises(BadModel, match="no-such-model"):
        Tagger(VisionSettings(model="no-such-model", device="cpu"))
