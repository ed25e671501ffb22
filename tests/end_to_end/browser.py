"""Airflow as a person sees it: headless Chromium, logged in."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Page, sync_playwright

from cli.home import Stack

FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync")


@contextmanager
def logged_in(stack: Stack) -> Iterator[Page]:
    """A page of Airflow's UI, 1400 × 900 px. Skips where no Chromium is installed."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no Chromium on this machine: `apt-get install chromium` to run the browser tests")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(FLAGS))
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.set_default_timeout(240_000)  # ms; it only bounds a hang
        page.goto(stack.url("airflow"))
        page.get_by_label("Username").fill("admin")
        page.locator("input[type=password]").fill(stack.password)
        page.locator("button[type=submit]").click()
        page.wait_for_url(lambda url: "login" not in url)
        try:
            yield page
        finally:
            browser.close()
