import sys
from pathlib import Path

# Its made-up runs stand for a reader's own.
sys.path.append(str(Path(__file__).parents[1] / "report"))
