"""What dead letters promise: kept before their spans leave the queue, bounded, removable."""

import errno
from pathlib import Path

import pytest

from gateway.otlp import wire
from gateway.queue.dead_letters import DeadLetter, DeadLetters, LetterFile
from gateway.telemetry import logs, metrics
from gateway.testing import FakeClock, batch


def letter(number: int, size: int = 0) -> DeadLetter:
    return DeadLetter(
        time_unix_ns=number,
        exporter="mlflow",
        destination="llm-traces",
        reason="refused",
        attempts=2,
        trace_id=f"{number:032x}",
        span_id=f"{number:016x}",
        name="x" * size,
        request="",
    )


def test_letters_are_read_in_order_and_removed_by_id(tmp_path: Path) -> None:
    """The oldest comes first; removing takes out just those that were named."""
    file = LetterFile(tmp_path / "dead-letters")
    letters = [letter(at) for at in range(5)]
    file.add(letters[:2])
    file.add(letters[2:])
    assert letters == list(file.read())
    assert 2 == file.remove({letters[1].id, letters[4].id, "unknown"})
    assert [letters[0], letters[2], letters[3]] == list(file.read())
    modes = {path.stat().st_mode & 0o777 for path in (tmp_path / "dead-letters").iterdir()}
    assert {0o600} == modes


def test_the_oldest_make_room(tmp_path: Path) -> None:
    """The files stay below their limit; what had to go is told."""
    file = LetterFile(tmp_path, max_bytes=100_000)
    dropped = sum(file.add([letter(at, 900)]) for at in range(300))
    left = list(file.read())
    assert sum(path.stat().st_size for path in tmp_path.glob("*.jsonl")) <= 100_000
    assert 300 == dropped + len(left)
    assert [letter(at, 900) for at in range(300 - len(left), 300)] == left


def test_the_newest_are_found_from_the_end(tmp_path: Path) -> None:
    """The page gets the last letters, the newest first, over both files and past damage."""
    file = LetterFile(tmp_path, max_bytes=10_000)
    assert [] == file.newest(3)
    for at in range(30):
        file.add([letter(at, 200)])
    with (tmp_path / "letters.jsonl").open("ab") as raw:
        raw.write(b"{broken\n")

    assert [29, 28, 27] == [one.time_unix_ns for one in file.newest(3)]
    kept = [one.id for one in file.read()]
    assert list(reversed(kept)) == [one.id for one in file.newest(1000)]
    assert (tmp_path / "letters.old.jsonl").exists()


def test_a_damaged_line_hides_no_other(tmp_path: Path) -> None:
    """A line that is no letter is skipped, and stays when others are removed."""
    file = LetterFile(tmp_path)
    file.add([letter(1)])
    with (tmp_path / "letters.jsonl").open("ab") as raw:
        raw.write(b"{broken\n")
    file.add([letter(2)])
    assert [letter(1), letter(2)] == list(file.read())
    file.remove({letter(1).id})
    assert [letter(2)] == list(file.read())
    assert b"{broken" in (tmp_path / "letters.jsonl").read_bytes()


class FullFile(LetterFile):
    """Runs out of space so many times."""

    failures = 2

    def add(self, letters: object) -> int:
        if self.failures:
            self.failures -= 1
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().add(letters)  # type: ignore[arg-type] # what the base takes


async def test_spans_wait_until_their_letter_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a full disk adding a letter takes until there is room; nothing is given up before."""
    letters = DeadLetters(tmp_path, FakeClock(), logs.get("test"))
    monkeypatch.setattr(letters, "_file", FullFile(tmp_path))
    counted = metrics.dead_letters.labels("sink", "refused")._value.get()
    await letters.add(
        wire.index(batch({"n": 1}, name="bad").encode()),
        exporter="sink",
        destination="somewhere",
        key="7",
        kind="refused",
        reason="cannot",
        attempts=1,
    )
    (kept,) = LetterFile(tmp_path).read()
    assert ("bad", "7", "somewhere") == (kept.name, kept.key, kept.destination)
    assert 1 == metrics.dead_letters.labels("sink", "refused")._value.get() - counted
