"""What all tests share: where things are, and models loaded once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

from glasses_signals.errors import BadModel
from glasses_signals.models.manifest import default_names
from glasses_signals.models.store import cache_dir, open_model
from glasses_signals.text.encoder import EncoderSettings, TextEncoder

REPOSITORY = Path(__file__).parents[1]

# CI tries the same examples every time; elsewhere Hypothesis goes on looking for new ones.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which models are missing: that explains all failures of tests that need one."""
    for name in default_names():
        try:
            open_model(name)
        except BadModel as error:
            terminalreporter.write_line(f"MISSING in {cache_dir()}: {error}", red=True)


@pytest.fixture(scope="session")
def repository() -> Path:
    return REPOSITORY


@pytest.fixture(scope="session")
def samples() -> Path:
    return REPOSITORY / "samples"


@pytest.fixture(scope="session")
def media() -> Path:
    return REPOSITORY / "tests" / "media"


@pytest.fixture(scope="session")
def eval_dir() -> Path | None:
    """The development evaluation sets where this machine has them."""
    named = os.environ.get("GLASSES_SIGNALS_EVAL")
    folder = Path(named) if named else REPOSITORY.parent / "shared" / "eval"
    return folder if folder.is_dir() else None


@pytest.fixture(scope="session")
def encoder() -> TextEncoder:
    return TextEncoder(EncoderSettings(device="cpu"))
