"""What workers know of how busy the others are."""

from gateway.workers.load import SIZE, UNKNOWN, Load


def test_others_see_what_is_processed_while_it_is() -> None:
    """However many; more than a byte holds count as many."""
    memory = memoryview(bytearray(SIZE))
    ours, theirs = Load(memory, 0), Load(memory, 1)
    theirs.open()
    seen = [ours.of(1)]
    with theirs, theirs:
        seen.append(ours.of(1))
    seen.append(ours.of(1))
    for _ in range(300):
        theirs.__enter__()

    assert [0, 2, 0] == seen
    assert UNKNOWN - 1 == ours.of(1)


def test_one_that_takes_nothing_over_is_never_free() -> None:
    """Before it listens, once it ends, and after another worker with its number has crashed."""
    memory = memoryview(bytearray(SIZE))
    ours, theirs = Load(memory, 0), Load(memory, 1)
    before = ours.of(1)
    theirs.open()
    Load(memory, 1)
    crashed = ours.of(1)
    theirs.close()
    with theirs:
        after = ours.of(1)

    assert [UNKNOWN] * 3 == [before, crashed, after]
