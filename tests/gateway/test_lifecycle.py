"""What is promised of components that cannot be built or started."""

import pytest

from gateway.batch import Batch
from gateway.lifecycle import StartError, build, start
from gateway.plugin import Config, Processor


def test_a_failing_constructor_names_the_component() -> None:
    """What cannot be built says where in the configuration it stands."""

    class Fussy(Processor[Config]):
        def __init__(self, config: Config) -> None:
            raise ValueError("pattern: unbalanced bracket")

        def process(self, batch: Batch) -> Batch:
            return batch

    with pytest.raises(
        StartError,
        match=r"^processors\.fussy: pattern: unbalanced bracket at test_lifecycle\.py:\d+$",
    ):
        build("processors.fussy", Fussy, Config())


def test_a_processor_without_process_is_not_built() -> None:
    """What is missing is said before the first batch comes."""

    class Empty(Processor[Config]):
        pass

    with pytest.raises(StartError, match=r"processors\.empty: .*Empty.*process"):
        build("processors.empty", Empty, Config())


async def test_a_failing_start_names_file_and_line() -> None:
    """An unforeseen exception in ``start`` names the place in the plugin's code."""

    async def starting() -> None:
        raise KeyError("token")

    with pytest.raises(
        StartError, match=r"processors\.x: KeyError: 'token' at test_lifecycle\.py:\d+"
    ):
        await start("processors.x", starting())


def test_a_wrong_policy_is_found_at_the_start() -> None:
    """A misspelt ``on_error`` of a class says what may stand there."""

    class Misspelt(Processor[Config]):
        on_error = "ignore"  # type: ignore[assignment] # the mistake under test

        def process(self, batch: Batch) -> Batch:
            return batch

    with pytest.raises(StartError, match="expected one of pass, drop, reject, found 'ignore'"):
        build("processors.misspelt", Misspelt, Config())
