"""What all tests share: where things are, and models loaded once."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from glasses_signals.errors import BadModel
from glasses_signals.models.manifest import default_names
from glasses_signals.models.store import cache_dir, open_model
from glasses_signals.text.encoder import EncoderSettings, TextEncoder

REPOSITORY = Path(__file__).parents[1]

# CI tries the same examples every time; elsewhere Hypothesis goes on looking for new ones.
# No deadlines: how long an example takes says more about the machine than about the code.
settings.register_profile("here", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.register_profile("fast", deadline=None, max_examples=20)
settings.load_profile("ci" if os.environ.get("CI") else "here")

# Files all of whose tests are slow: they build or run larger models, or start decoders, stores or
# the whole program. `scripts/test --fast` leaves them out.
SLOW_FILES = {
    "cli/test_extract_command.py",
    "docs/test_docs.py",
    "interests/test_text_mapper.py",
    "media/test_pool.py",
    "media/test_video.py",
    "models/test_build.py",
    "policy/test_training.py",
    "report/test_page.py",
    "text/test_encoder.py",
    "uploads/test_remote.py",
}
SLOW_FOLDERS = {"runners", "speech", "vision"}
QUICK_FILES = {  # of those folders
    "runners/test_admission.py",
    "speech/test_distance.py",
    "speech/test_guards.py",
    "speech/test_languages.py",
    "speech/test_mel.py",
    "speech/test_windows.py",
    "vision/test_preprocess.py",
}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        file = item.path.relative_to(REPOSITORY / "tests").as_posix()
        folder = file.split("/")[0]
        if file in SLOW_FILES or (folder in SLOW_FOLDERS and file not in QUICK_FILES):
            item.add_marker(pytest.mark.slow)
    if hasattr(config, "workerinput"):  # one of several processes: what takes long comes first
        items.sort(key=lambda item: item.get_closest_marker("slow") is None)


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


@pytest.fixture(scope="session")
def store() -> Iterator[str]:
    """The address of an S3 server on this machine; whoever asks for it has keys to it."""
    code = (
        "from moto.server import ThreadedMotoServer\n"
        "import sys\n"
        "server = ThreadedMotoServer('127.0.0.1', 0, verbose=False)\n"
        "server.start()\n"
        "print(server.get_host_and_port()[1], flush=True)\n"
        "sys.stdin.read()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
    keys |= {"AWS_DEFAULT_REGION": "us-east-1", "AWS_MAX_ATTEMPTS": "1"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in keys.items():
            patch.setenv(name, value)
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
    process.kill()
    process.wait()
