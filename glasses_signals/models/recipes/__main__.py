"""Runs one recipe: reads a JSON request on standard input, writes `{"facts"}` or `{"error"}`."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

from glasses_signals.errors import BadModel
from glasses_signals.models.manifest import load_manifest


def main() -> None:
    """The request: `module`, `manifest`, `out`, `sources`, and `result`, the file of the answer."""
    request = json.load(sys.stdin)
    try:
        recipe = importlib.import_module(f"glasses_signals.models.recipes.{request['module']}")
        facts = recipe.build(
            load_manifest(request["manifest"]),
            Path(request["out"]),
            {name: Path(path) for name, path in request["sources"].items()},
        )
    except ModuleNotFoundError as error:
        answer = {
            "error": f"{error}; building needs more packages: pip install 'glasses-signals[build]'"
        }
    except BadModel as error:
        answer = {"error": str(error)}
    else:
        answer = {"facts": facts}
    Path(request["result"]).write_text(json.dumps(answer))


if __name__ == "__main__":
    main()
