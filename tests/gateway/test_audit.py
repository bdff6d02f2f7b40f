"""What the audit log promises: who, from where, and no floods."""

import json
import stat
from pathlib import Path

import pytest

from gateway.audit import LINES, LINES_PER_NETWORK, MAX_NETWORKS, WINDOW_S, Audit, network_of
from gateway.testing import FakeClock


class Log:
    """Keeps what is logged."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, dict[str, object]]] = []

    def debug(self, event: str, **fields: object) -> None:
        """Keep."""
        self.lines.append(("debug", event, fields))

    def info(self, event: str, **fields: object) -> None:
        """Keep."""
        self.lines.append(("info", event, fields))

    def warning(self, event: str, **fields: object) -> None:
        """Keep."""
        self.lines.append(("warning", event, fields))

    def error(self, event: str, **fields: object) -> None:
        """Keep."""
        self.lines.append(("error", event, fields))


class Written:
    """An audit log and what was written to it."""

    def __init__(self, path: Path | None = None) -> None:
        self.log = Log()
        self.clock = FakeClock()
        self.path = path
        self.audit = Audit(self.log, self.clock, path)

    def refuse(self, address: str, times: int = 1) -> int:
        """Refuse somebody; return how many lines that made."""
        before = len(self.log.lines)
        for _ in range(times):
            self.audit.refused("credentials refused", actor="unknown", address=address)
        return len(self.log.lines) - before

    def lines(self) -> list[dict[str, object]]:
        """Close the file and return its lines."""
        self.audit.close()
        assert self.path is not None
        return [json.loads(line) for line in self.path.read_text().splitlines()]


def test_lines_say_who_and_from_where(tmp_path: Path) -> None:
    """Log and file get event, actor, address and time; the file is ours alone."""
    written = Written(tmp_path / "audit.jsonl")
    written.audit.open()
    written.audit.refused("credentials refused", actor="unknown", address="10.0.0.7", reason="no")
    written.audit.changed("tenants reloaded", file="a.yaml")
    written.audit.failed("certificates not reloaded", reason="broken")
    lines = written.lines()

    assert {
        "time": "2023-11-14T22:13:20.000+00:00",
        "event": "credentials refused",
        "actor": "unknown",
        "address": "10.0.0.7",
        "reason": "no",
    } == lines[0]
    assert [("tenants reloaded", "gateway"), ("certificates not reloaded", "gateway")] == [
        (line["event"], line["actor"]) for line in lines[1:]
    ]
    assert ["warning", "info", "error"] == [level for level, _, _ in written.log.lines]
    assert all(fields["audit"] is True for _, _, fields in written.log.lines)
    assert 0o600 == stat.S_IMODE((tmp_path / "audit.jsonl").stat().st_mode)


def test_a_flood_is_counted(tmp_path: Path) -> None:
    """One address gets a few lines a minute; the next line says how many were held back."""
    written = Written(tmp_path / "audit.jsonl")

    assert LINES_PER_NETWORK == written.refuse("10.0.0.7", 1000)
    assert 1 == written.refuse("10.0.0.8")
    written.clock.advance(WINDOW_S)
    assert 1 == written.refuse("10.0.0.7")

    assert 1000 - LINES_PER_NETWORK == written.log.lines[-1][2]["held_back"]
    assert LINES_PER_NETWORK + 2 == len(written.lines())


def test_many_addresses_are_counted_together() -> None:
    """Whoever has many addresses still fills no disk, and no memory."""
    written = Written()

    for number in range(MAX_NETWORKS + 1000):
        written.refuse(f"2001:db8:{number:x}::1")

    assert LINES == len(written.log.lines)
    assert MAX_NETWORKS >= len(written.audit._networks)
    written.audit.close()
    assert "audit lines held back" == written.log.lines[-1][1]
    assert MAX_NETWORKS + 1000 - LINES == written.log.lines[-1][2]["lines"]


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("10.0.0.7", "10.0.0.7"),
        ("::ffff:10.0.0.7", "10.0.0.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("unix", "unix"),
    ],
)
def test_networks(address: str, network: str) -> None:
    """One person holds an IPv4 address, or a whole IPv6 network."""
    assert network == network_of(address)


def test_file_may_be_rotated(tmp_path: Path) -> None:
    """A file that was moved away is begun anew."""
    path = tmp_path / "audit.jsonl"
    first = Written(path)
    first.audit.changed("one")
    first.lines()
    path.rename(tmp_path / "audit.jsonl.1")

    second = Written(path)
    second.audit.changed("two")

    assert ["two"] == [line["event"] for line in second.lines()]


def test_file_that_cannot_be_written_stops_the_start(tmp_path: Path) -> None:
    """A wrong path is found before anybody is let in."""
    with pytest.raises(OSError, match=r"service\.telemetry\.audit\.path: cannot write .*/audit"):
        Written(tmp_path / "missing" / "audit.jsonl").audit.open()


def test_full_disk_stops_nothing(tmp_path: Path) -> None:
    """A line that cannot be written to the file is told in the log, which has it."""
    written = Written(tmp_path / "audit.jsonl")
    (tmp_path / "audit.jsonl").mkdir()
    written.audit.changed("tenants reloaded")
    written.audit.close()
    written.audit.close()

    assert ["tenants reloaded", "audit file cannot be written"] == [
        event for _, event, _ in written.log.lines
    ]
