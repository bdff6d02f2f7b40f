"""A recording gateway, and the example programs built once."""

import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.interop.recording import Recording, recording_gateway

EXAMPLES = Path(__file__).parents[2] / "examples"

BUILDS: dict[str, tuple[tuple[str, ...], ...]] = {
    "python": (),
    "node": (("npm", "install", "--no-audit", "--no-fund", "--no-package-lock"),),
    "java": (("mvn", "-q", "-B", "compile"),),
    "go": (("go", "build", "-o", "example", "."),),
}
RUNS: dict[str, tuple[str, ...]] = {
    "python": (sys.executable, "main.py"),
    "node": ("npm", "start", "--silent"),
    "java": ("mvn", "-q", "-B", "exec:java"),
    "go": ("./example",),
}
TOOLS = {"python": (), "node": ("node", "npm"), "java": ("java", "mvn"), "go": ("go",)}


@pytest.fixture
async def gateway() -> AsyncIterator[Recording]:
    """Yield a gateway that records what it is sent."""
    async with recording_gateway() as recording:
        yield recording


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, list[str]]]:
    """Return a function that builds a language's example, once, and returns how to run it."""
    built: dict[str, Path] = {}

    def build(language: str) -> tuple[Path, list[str]]:
        for tool in TOOLS[language]:
            if shutil.which(tool) is None:
                pytest.skip(f"{tool} is not installed")
        if language not in built:
            folder = tmp_path_factory.mktemp(language) / "example"
            shutil.copytree(EXAMPLES / language, folder)
            for command in BUILDS[language]:
                subprocess.run(command, cwd=folder, check=True, timeout=280)
            built[language] = folder
        return built[language], list(RUNS[language])

    return build
