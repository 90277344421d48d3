import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))
# Its made-up runs stand for a reader's own.
sys.path.append(str(Path(__file__).parents[1] / "report"))


@pytest.fixture(scope="session")
def run_of_today(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of a run over made-up accounts whose interests have not expired, to be copied."""
    from made_output import make_output

    out = tmp_path_factory.mktemp("today") / "out"
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    make_output(out, accounts=200, as_of=today)
    return out
