import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

from made_output import make_output


@pytest.fixture(scope="session")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output folder of a made-up run over 300 accounts."""
    out = tmp_path_factory.mktemp("report") / "out"
    make_output(out, accounts=300)
    return out
