"""A real browser for tests: Chromium without a window, driven as the W3C's WebDriver says."""

import asyncio
import base64
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")

needs_browser = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="needs chromium and chromedriver"
)

ARGUMENTS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage")


class Browser:
    """One window."""

    def __init__(self, http: aiohttp.ClientSession, session: str) -> None:
        self._http = http
        self._session = session

    async def _ask(self, method: str, path: str, **body: Any) -> Any:
        arguments: dict[str, Any] = {"json": body} if method == "POST" else {}
        async with self._http.request(method, f"{self._session}{path}", **arguments) as answer:
            document = await answer.json()
        assert answer.status == 200, document
        return document["value"]

    async def open(self, url: str) -> None:
        """Go to a page."""
        await self._ask("POST", "/url", url=url)

    async def run(self, script: str) -> Any:
        """Return what a script in the page returns."""
        return await self._ask("POST", "/execute/sync", script=script, args=[])

    async def until(self, script: str) -> Any:
        """Return what a script returns once that is something."""
        async with asyncio.timeout(60):
            while not (found := await self.run(script)):
                await asyncio.sleep(0.1)
        return found

    async def text(self, element: str = "body") -> str:
        """Return the text that a person sees in an element."""
        return str(await self.run(f"return document.querySelector('{element}').innerText"))

    async def devtools(self, command: str, **parameters: Any) -> Any:
        """Send a command of the DevTools protocol."""
        return await self._ask("POST", "/goog/cdp/execute", cmd=command, params=parameters)

    async def look(self, *, theme: str = "light", width: int = 1280, height: int = 900) -> None:
        """Let the page believe in a screen and a theme."""
        await self.devtools(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        features = [{"name": "prefers-color-scheme", "value": theme}]
        await self.devtools("Emulation.setEmulatedMedia", features=features)

    async def screenshot(self) -> bytes:
        """Return the whole page as PNG."""
        taken = await self.devtools("Page.captureScreenshot", captureBeyondViewport=True)
        return base64.b64decode(taken["data"])

    async def complaints(self) -> list[str]:
        """Return what the browser found wrong since the last call, such as blocked scripts."""
        log = await self._ask("POST", "/se/log", type="browser")
        return [entry["message"] for entry in log if entry["level"] in ("SEVERE", "WARNING")]


@asynccontextmanager
async def browser(folder: Path) -> AsyncIterator[Browser]:
    """Run a browser that keeps everything in a folder."""
    said = folder / "chromedriver.log"
    with said.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            str(DRIVER), "--port=0", stdout=log, stderr=asyncio.subprocess.DEVNULL
        )
    try:
        url = f"http://127.0.0.1:{await _port(said)}/session"
        async with aiohttp.ClientSession() as http:
            session = f"{url}/{await _window(http, url, folder)}"
            try:
                yield Browser(http, session)
            finally:
                async with http.delete(session):
                    pass
    finally:
        process.terminate()
        await process.wait()


async def _port(said: Path) -> int:
    """Return the port that the driver has chosen, once it says so."""
    async with asyncio.timeout(60):
        while not (port := _find_port(said)):
            await asyncio.sleep(0.05)
    return port


def _find_port(said: Path) -> int:
    found = re.search(r"successfully on port (\d+)", said.read_text())
    return int(found[1]) if found else 0


async def _window(http: aiohttp.ClientSession, url: str, folder: Path) -> str:
    """Open a window and return its session's id."""
    options = {
        "binary": CHROMIUM,
        "args": [*ARGUMENTS, f"--user-data-dir={folder / 'profile'}"],
    }
    wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
    async with http.post(url, json={"capabilities": {"alwaysMatch": wanted}}) as answer:
        document = await answer.json()
    assert answer.status == 200, document
    return str(document["value"]["sessionId"])
