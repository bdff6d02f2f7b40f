"""What a window promises to the destinations that share it."""

from gateway.workers.window import Stream, Window

ONE, OTHER = Stream("a", 0, "one"), Stream("a", 0, "other")


def filled(window: Window, stream: Stream) -> int:
    """Bring single bytes as long as there is room; return how many that were."""
    brought = 0
    while window.room(stream):
        window.add(stream, 1)
        brought += 1
    return brought


def test_a_single_destination_has_most_of_it() -> None:
    """A fifth is left for the next one, which gets most of that."""
    window = Window(1000)
    assert 796 <= filled(window, ONE) <= 800
    assert 156 <= filled(window, OTHER) <= 161


def test_what_has_nothing_under_way_may_always_bring_something() -> None:
    """However full the window is, no destination is without a record under way."""
    window = Window(1000)
    window.add(ONE, 5000)
    assert 0 == window.room(ONE)
    assert 1 == window.room(OTHER)


def test_what_has_arrived_makes_room() -> None:
    """A destination that is served has its part again."""
    window = Window(1000)
    filled(window, ONE)
    window.add(ONE, -400)
    assert 396 <= filled(window, ONE) <= 400
