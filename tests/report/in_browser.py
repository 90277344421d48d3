"""Click through a report in headless Chromium, as a reader would: `scripts/test_report`.

Not a pytest test, because it needs a browser. Leaves screenshots in the folder named.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from made_output import HOSTILE_ACCOUNT, make_output
from playwright.sync_api import Browser, Page, sync_playwright

from glasses_signals.report.page import write_report

# A container's user is root, which Chromium's sandbox refuses; the rest keeps it off the network.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SIZES = {"phone": (390, 844), "desktop": (1280, 900)}
CHARTS = 7


def main(pictures: Path) -> None:
    browser_path = shutil.which("chromium") or shutil.which("google-chrome")
    if browser_path is None:
        sys.exit("no chromium found: apt install chromium, or put google-chrome on the PATH")
    pictures.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as engine:
        out = Path(folder) / "out"
        make_output(out, accounts=700)
        write_report(out, out / "report.html")
        write_report(out, out / "accounts.html", accounts=True)
        browser = engine.chromium.launch(executable_path=browser_path, args=FLAGS)
        for theme in ("light", "dark"):
            for size in SIZES:
                page = opened(browser, out / "report.html", theme, size)
                page.screenshot(path=pictures / f"report-{size}-{theme}.png", full_page=True)
                check_fits(page, size)
                page = opened(browser, out / "accounts.html", theme, size)
                page.locator(".account summary").first.click()
                page.evaluate("document.getElementById('accounts').scrollIntoView()")
                page.screenshot(path=pictures / f"accounts-{size}-{theme}.png")
                check_fits(page, size)
        click_through(opened(browser, out / "accounts.html", "light", "desktop"))
        browser.close()
    print(f"the report works; pictures are in {pictures}")


def opened(browser: Browser, file: Path, theme: str, size: str) -> Page:
    """The page at this size, drawn; any error, warning or request to a network fails the run."""
    width, height = SIZES[size]
    page = browser.new_page(
        viewport={"width": width, "height": height},
        color_scheme="dark" if theme == "dark" else "light",
    )
    page.on("console", lambda message: complain(message.text, message.type))
    page.on("pageerror", lambda error: complain(str(error), "error"))
    page.on("request", lambda request: complain(request.url, "request"))
    page.goto(file.as_uri())
    page.wait_for_function(f"document.documentElement.dataset.drawn === '{CHARTS}'", timeout=60_000)
    assert page.title() == "glasses-signals report", page.title()
    return page


def complain(what: str, kind: str) -> None:
    own = kind == "request" and what.startswith(("file:", "data:", "blob:"))
    if kind in ("error", "warning", "request") and not own:
        sys.exit(f"the page gave a {kind}: {what}")


def check_fits(page: Page, size: str) -> None:
    too_wide = page.evaluate("document.documentElement.scrollWidth > innerWidth")
    assert not too_wide, f"the page scrolls sideways at {size} width"


def click_through(page: Page) -> None:
    assert page.locator(".chart svg").count() == CHARTS
    rows = page.locator("table[class=data]:has(caption:text-is('Audiences')) tbody tr:visible")
    everything = rows.count()
    page.get_by_label("Filter audiences").fill("sports")
    assert 0 < rows.count() < everything
    assert all("sports" in text.lower() for text in rows.all_inner_texts())
    page.get_by_label("Filter audiences").fill("")

    head = page.locator("table:has(caption:text-is('Audiences')) thead th:has-text('About')")
    sizes = "table:has(caption:text-is('Audiences')) tbody td:nth-child(3)"
    for order, reverse in (("descending", True), ("ascending", False)):
        head.get_by_role("button").click()
        assert head.get_attribute("aria-sort") == order
        shown = [int(text.replace(",", "")) for text in page.locator(sizes).all_inner_texts()]
        assert shown == sorted(shown, reverse=reverse)

    page.locator("details summary:text-is('Data as a table')").first.click()
    assert page.locator("details[open] table").first.is_visible()

    page.get_by_label("Find an account").fill(HOSTILE_ACCOUNT[:12])
    assert page.locator("#account-count").inner_text().startswith("1 of")
    page.locator(".account:visible summary").first.click()
    assert page.locator(".account[open] article").first.is_visible()
    assert page.locator(".account img").count() == 0

    page.locator("body").press("Home")
    dark = "getComputedStyle(document.body).backgroundColor"
    before = page.evaluate(dark)
    page.get_by_role("button", name="Dark colours").click()
    page.wait_for_function(f"document.documentElement.dataset.drawn === '{CHARTS}'")
    assert page.evaluate(dark) != before
    check_tooltip(page)
    page.emulate_media(media="print")
    assert not page.locator("nav").is_visible()


def check_tooltip(page: Page) -> None:
    chart = page.locator("#chart-audiences")
    chart.scroll_into_view_if_needed()
    chart.locator("path[aria-roledescription='bar']").first.hover()
    page.wait_for_selector("#vg-tooltip-element.visible")
    assert "Accounts" in page.locator("#vg-tooltip-element").inner_text()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("build/report-pictures"))
