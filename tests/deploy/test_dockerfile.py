"""What the Dockerfile promises, as far as it shows without a container engine."""

import fnmatch
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import tomllib
import urllib.request
from pathlib import Path

import pytest
import yaml

from gateway.config.loader import load

ROOT = Path(__file__).parents[2]
TEXT = re.sub(r"(?m)^\s*#.*\n", "", (ROOT / "Dockerfile").read_text(encoding="utf-8"))
LINES = TEXT.replace("\\\n", " ").splitlines()
CONFIG = ROOT / "deploy" / "container" / "gateway.yaml"
STOP_S = 40


def instructions(name: str, lines: list[str] = LINES) -> list[str]:
    """Return the arguments of each instruction of that name."""
    return [line.removeprefix(name).strip() for line in lines if line.startswith(f"{name} ")]


def stages() -> list[list[str]]:
    """Return the lines of each stage."""
    found: list[list[str]] = []
    for line in LINES:
        if line.startswith("FROM "):
            found.append([])
        if found:
            found[-1].append(line)
    return found


def test_it_runs_as_a_number_that_is_not_root() -> None:
    """Kubernetes refuses names where runAsNonRoot is set."""
    assert "10001:10001" == instructions("USER")[-1]


def test_signals_reach_the_gateway() -> None:
    """The entry point is a list, so that no shell stands in between."""
    assert ["spangate"] == json.loads(instructions("ENTRYPOINT")[0])
    assert ["run", "--config", "/etc/spangate/config/gateway.yaml"] == json.loads(
        instructions("CMD")[-1]
    )
    assert ["SIGTERM"] == instructions("STOPSIGNAL")


def test_everything_is_pinned() -> None:
    """Each installation takes hashes, or nothing from the network, or what PLUGINS asks for."""
    for run in instructions("RUN"):
        for command in re.findall(r"install --quiet[^&;]*", run):
            assert "--require-hashes" in command or "--no-index" in command or "PLUGINS" in command


def test_the_locks_pin_what_is_asked_for() -> None:
    """Each dependency stands in the lock that the image installs: run make lock."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    groups = project["dependency-groups"]
    building = [one for one in groups["build"] if one != {"include-group": "compile"}]
    wanted = {
        "requirements-runtime.lock": project["project"]["dependencies"],
        "requirements-build.lock": [*building, *groups["compile"]],
    }
    for lock, requirements in wanted.items():
        text = (ROOT / lock).read_text(encoding="utf-8")
        pinned = {name.lower() for name in re.findall(r"(?m)^([\w.-]+)==", text)}
        names = {re.split(r"[<>=!; ]", one)[0].lower() for one in requirements}
        assert set() == names - pinned, f"{lock}: run make lock"


def test_both_locks_agree() -> None:
    """The image runs the versions that the tests ran with."""
    pattern = r"(?m)^([\w.-]+)==(\S+)"
    tested = dict(re.findall(pattern, (ROOT / "requirements.lock").read_text(encoding="utf-8")))
    shipped = dict(
        re.findall(pattern, (ROOT / "requirements-runtime.lock").read_text(encoding="utf-8"))
    )

    assert {} == {
        name: (version, tested[name]) for name, version in shipped.items()
        if tested.get(name, version) != version
    }  # fmt: skip


def test_what_is_copied_is_there() -> None:
    """Each source exists, and .dockerignore lets it through."""
    allowed = [
        line[1:].rstrip("/") for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    ]  # fmt: skip
    for copied in instructions("COPY"):
        if not copied.startswith("--from"):
            for source in shlex.split(copied)[:-1]:
                assert (ROOT / source).exists()
                assert any(source == one or fnmatch.fnmatch(source, f"{one}/*") for one in allowed)


def test_its_configuration_is_the_default_but_open(tmp_path: Path) -> None:
    """Only endpoints, MLflow's address and the format of logs differ from the built-in default."""
    ours, builtin = load([CONFIG], environ={}), load([], environ={})

    assert builtin.service.pipelines == ours.service.pipelines
    assert set(builtin.processors) == set(ours.processors)
    telemetry = ours.service.telemetry
    assert telemetry.metrics.endpoint.startswith("0.0.0.0:")
    assert telemetry.status.endpoint.startswith("0.0.0.0:")


def test_exposed_ports_are_served() -> None:
    """What EXPOSE names is what the configuration in the image listens on."""
    text = CONFIG.read_text(encoding="utf-8")

    assert set(instructions("EXPOSE")[0].split()) == set(re.findall(r"0\.0\.0\.0:(\d+)", text))


@pytest.mark.nightly
@pytest.mark.timeout(900)
def test_its_steps_make_a_gateway_that_runs(tmp_path: Path) -> None:
    """The build's own commands, in a clean environment; then it is ready, healthy, and stops."""
    venv = build(tmp_path)
    config = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    overrides = [
        f"--set={key}=127.0.0.1:{port}"
        for key, port in {
            "receivers.otlp.protocols.grpc.endpoint": 0,
            "receivers.otlp.protocols.http.endpoint": 0,
            "service.telemetry.metrics.endpoint": 0,
        }.items()
    ]
    assert config["service"]["telemetry"]["status"]["endpoint"].endswith(":13133")
    command = [str(venv / "bin" / "spangate"), "run", f"--config={CONFIG}", *overrides]
    health = json.loads(re.findall(r"CMD (\[.*\])", TEXT)[0])
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as gateway:
        assert gateway.stderr is not None
        for line in gateway.stderr:
            if "gateway is" in line or '"endpoints": {' in line:
                break
        check = [str(venv / "bin" / "python"), *health[1:]]
        assert 0 == subprocess.run(check, check=False).returncode
        with urllib.request.urlopen("http://127.0.0.1:13133/live") as answer:
            assert 200 == answer.status
        gateway.send_signal(signal.SIGTERM)
        assert 0 == gateway.wait(STOP_S)
    assert 0 != subprocess.run(check, check=False, stderr=subprocess.DEVNULL).returncode


def build(folder: Path) -> Path:
    """Run the build's commands, its folders moved, with our compiler; return the environment."""
    source = folder / "src"
    source.mkdir()
    lines = stages()[0]
    for copied in instructions("COPY", lines):
        for name in shlex.split(copied)[:-1]:
            subprocess.run(["cp", "-r", str(ROOT / name), str(source)], check=True)
    pip = f"{sys.executable} -m pip"
    steps = [run for run in instructions("RUN", lines) if not run.startswith("apt-get")]
    for run in steps:
        command = run.replace("/opt/", f"{folder}/").replace(
            "python -m venv", f"{sys.executable} -m venv"
        )
        command = re.sub(r"(?<![/\w])pip --python", f"{pip} --python", command)
        subprocess.run(["sh", "-eu", "-c", command], cwd=source, check=True, env=environment())
    return folder / "spangate"


def environment() -> dict[str, str]:
    """Return our variables with the arguments of the build."""
    return {**os.environ, "PLUGINS": "", "PIP_ROOT_USER_ACTION": "ignore"}
