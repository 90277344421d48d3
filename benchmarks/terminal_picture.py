"""What a command printed, as a picture of a terminal: an SVG that loads no font."""

from __future__ import annotations

import io
import re

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

COMMAND = "glasses-signals extract samples/uploads --accounts samples/accounts.jsonl --out out"
HEADINGS = ("Interests", "This run", "Time", "Quarantined")
WIDTH = 112
FONTS = "ui-monospace, SFMono-Regular, Menlo, Consolas, monospace"
# Rich's own format fetches its font from elsewhere.
FORMAT = re.sub(r"@font-face \{\{.*?\}\}\n", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL).replace(
    "Fira Code, monospace", FONTS
)


def terminal(printed: str) -> str:
    """`printed` under its command; the same text gives the same bytes."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), highlight=False)
    console.print(Text.assemble(("$ ", "bold"), COMMAND))
    console.print()
    for line in printed.replace("out/samples", "out").splitlines():
        console.print(Text(line, style="bold" if line in HEADINGS else ""), soft_wrap=True)
    return console.export_svg(title="glasses-signals", code_format=FORMAT)
