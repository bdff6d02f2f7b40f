"""What the page of results promises."""

from pathlib import Path

from benchmarks import page


def test_a_section_takes_the_place_of_an_older_one(tmp_path: Path) -> None:
    """Its neighbours stay as they are, also those below headings of their own."""
    path = tmp_path / "RESULTS.md"
    path.write_text("# One\n\n1\n\n## Part\n\na\n\n# Two\n\nold\n\n# Three\n\n3\n")

    page.put("Two", "new\n\n| a |\n", path)

    expected = "# One\n\n1\n\n## Part\n\na\n\n# Two\n\nnew\n\n| a |\n\n# Three\n\n3\n"
    assert expected == path.read_text()


def test_a_new_section_goes_to_the_end(tmp_path: Path) -> None:
    """Also where there is no page yet."""
    path = tmp_path / "RESULTS.md"

    page.put("One", "1", path)
    page.put("Two", "2", path)

    assert "# One\n\n1\n\n# Two\n\n2\n" == path.read_text()


def test_figures_stand_to_the_right() -> None:
    """A column is one of figures where all of its cells begin like one."""
    made = page.table(("in", "spans", "us"), [("http", "1,000", "2.5"), ("grpc", "-", "3.0")])

    assert made.splitlines()[1] == "| --- | ---: | ---: |"
