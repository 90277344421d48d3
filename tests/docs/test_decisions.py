"""Each dependency stands in docs/decisions.md, with what it is for."""

import re
import tomllib

from reading import REPOSITORY


def dependencies() -> set[str]:
    """Names in pyproject.toml, of all extras, ours left out."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    wanted = [*project["dependencies"], *(name for extra in extras for name in extra)]
    names = {re.split(r"[\[<>=~! ]", line)[0] for line in wanted}
    return names - {"glasses-signals"}


def test_every_dependency_has_a_line() -> None:
    page = (REPOSITORY / "docs" / "decisions.md").read_text("utf-8")
    table = page.partition("## Dependencies")[2]
    first_cells = re.findall(r"^\| (.*?) \|", table, re.MULTILINE)
    named = {name for cell in first_cells for name in re.findall(r"`([\w-]+)`", cell)}
    assert dependencies() <= named, "add a line to docs/decisions.md"
