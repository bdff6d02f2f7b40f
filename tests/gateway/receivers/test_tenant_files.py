"""Tenants and tokens from files: read again when they change, kept when they break."""

import os
import time
from pathlib import Path

import pytest

from gateway.receivers.tenant_files import TenantFiles

TOKEN = "fake-" + "token"
LONG_AGO_S = 10


def write(path: Path, text: str) -> Path:
    """Write a file as if some time ago, each time a little later."""
    path.write_text(text)
    write.count += 1  # type: ignore[attr-defined] # a counter of the function's own
    then = time.time_ns() - LONG_AGO_S * 10**9 + write.count * 10**6  # type: ignore[attr-defined] # as above
    os.utime(path, ns=(then, then))
    return path


write.count = 0  # type: ignore[attr-defined] # as above


def names(files: TenantFiles) -> list[str]:
    """Return the names of all tenants."""
    return [tenant.name for tenant in files.tenants()]


def secrets(files: TenantFiles) -> list[str]:
    """Return the secrets of all tenants."""
    return [secret for each in files.credentials() for secret in each.secrets]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder of tenants with two files."""
    folder = tmp_path / "tenants.d"
    folder.mkdir()
    write(folder / "one.yaml", f"name: one\ntokens: [{TOKEN}-1]\n")
    write(
        folder / "more.yml",
        f"- {{name: two, tokens: [{TOKEN}-2]}}\n- name: three\n  tokens_file: three.tokens\n",
    )
    write(folder / "three.tokens", f"# ours\n{TOKEN}-3\n\n{TOKEN}-4\n")
    write(folder / ".hidden.yaml", "nonsense: true")
    write(folder / "README", "not a tenant")
    return folder


def test_folder_is_read(folder: Path) -> None:
    """Files hold a tenant or a list; tokens stand in files beside them; the rest is ignored."""
    files = TenantFiles([], str(folder))

    changes = files.look()

    assert {"loaded"} == {change.what for change in changes}
    assert ["two", "three", "one"] == names(files)
    assert [f"token:{TOKEN}-{n}" for n in (2, 3, 4, 1)] == secrets(files)


def test_nothing_new_is_no_change(folder: Path) -> None:
    """A look at files that stay as they are reads nothing."""
    files = TenantFiles([], str(folder))
    files.look()

    assert [] == files.look()


def test_changes_count(folder: Path) -> None:
    """Changed, new and removed files count at the next look."""
    files = TenantFiles([], str(folder))
    files.look()

    write(folder / "one.yaml", f"name: uno\ntokens: [{TOKEN}-1]\n")
    write(folder / "four.yaml", f"name: four\ntokens: [{TOKEN}-5]\n")
    write(folder / "three.tokens", f"{TOKEN}-6\n")
    (folder / "more.yml").unlink()
    changes = {(Path(change.path).name, change.what) for change in files.look()}

    assert ["four", "uno"] == names(files)
    assert {
        ("one.yaml", "reloaded"),
        ("four.yaml", "loaded"),
        ("more.yml", "removed"),
        ("three.tokens", "removed"),
    } == changes


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("name: one\ntokenz: [x]\n", "one.yaml:2: tokenz"),
        ("name: one\n", "one.yaml:1"),
        ("- name: one\n  tokens: [x]\n- name: 2\n  quota: {burst: -1}\n", "one.yaml:4"),
        ("{", "one.yaml"),
        ("", "one.yaml"),
    ],
)
def test_broken_file_keeps_what_it_said(folder: Path, text: str, place: str) -> None:
    """A file with a mistake leaves the old tenants in force and says where it is, once."""
    files = TenantFiles([], str(folder))
    files.look()

    write(folder / "one.yaml", text)
    [change] = files.look()

    assert "failed" == change.what
    assert place in change.reason
    assert ["two", "three", "one"] == names(files)
    assert [] == files.look()


@pytest.mark.parametrize("text", ["{}", "- {}", "name: a\ntokens: {}", "name: a\nbasic: {}"])
def test_a_misplaced_token_is_not_repeated(folder: Path, text: str) -> None:
    """What is wrong with a file is told without its texts, which may be tokens."""
    write(folder / "lost.yaml", text.format(TOKEN))

    (reason,) = (change.reason for change in TenantFiles([], str(folder)).look() if change.reason)

    assert "found a text" in reason
    assert TOKEN not in reason


def test_tokens_that_cannot_be_read_stay(folder: Path) -> None:
    """A token file that goes away leaves its tokens in force."""
    files = TenantFiles([], str(folder))
    files.look()

    (folder / "three.tokens").unlink()
    [change] = files.look()

    assert "three.tokens: No such file" in change.reason
    assert f"token:{TOKEN}-3" in secrets(files)


def test_emptied_tokens_are_revoked(folder: Path) -> None:
    """A token file without tokens means that none is valid any more."""
    files = TenantFiles([], str(folder))
    files.look()

    write(folder / "three.tokens", "# none\n")
    files.look()

    assert [f"token:{TOKEN}-{n}" for n in (2, 1)] == secrets(files)


def test_half_written_files_wait(folder: Path) -> None:
    """A file that was written this moment is read at the next look, when it is whole."""
    files = TenantFiles([], str(folder))
    files.look()

    (folder / "one.yaml").write_text("[]")

    assert [] == files.look()
    assert "one" in names(files)


def test_folder_that_goes_away_keeps_its_tenants(folder: Path, tmp_path: Path) -> None:
    """A folder that cannot be read is told once, and its tenants may go on."""
    files = TenantFiles([], str(folder))
    files.look()

    folder.rename(tmp_path / "away")
    reasons = [change.reason for change in files.look() if change.path == str(folder)]

    assert [f"cannot read the folder {folder}: No such file or directory"] == reasons
    assert [] == files.look()
    assert ["two", "three", "one"] == names(files)
