from __future__ import annotations

from pathlib import Path

import pytest

from glasses_signals.media.photo import decode_photo
from glasses_signals.models.build import build
from glasses_signals.models.manifest import manifests_dir
from glasses_signals.vision.detector import Detector


def test_the_detector_finds_the_cat_and_the_cup(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GLASSES_SIGNALS_CACHE", str(tmp_path))
    build(["yolox-nano"], report=lambda line: None)
    detector = Detector("yolox-nano", "cpu", None)
    found = {
        name: {label.name for label in detector.labels(decode_photo(path.read_bytes(), name), 0.3)}
        for name in ("cat", "coffee")
        if (path := manifests_dir() / "parity" / f"{name}.jpg")
    }
    assert "cat" in found["cat"]
    assert "cup" in found["coffee"]
