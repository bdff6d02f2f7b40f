"""Settings of ``cost``."""

from pathlib import Path
from typing import Literal

from gateway.config.problems import ConfigError
from gateway.config.types import Config, FilePath
from processors.cost.price_file import read_price_file


class CostConfig(Config):
    """Settings of ``cost``."""

    prices_file: FilePath | None = None
    """YAML file of your own prices: a list of rules, the first that matches wins, before the
    built-in catalogue."""

    reported: Literal["prefer_computed", "prefer_reported", "compare", "ignore"] = "prefer_computed"
    """What becomes of costs that the instrumentation reports: taken where no price is known;
    taken wherever there are some; as the first, with reported cost and difference written on the
    span; or never looked at."""

    def validate(self) -> None:
        """Refuse a price file that cannot be used, with all that is wrong with it."""
        if self.prices_file is None:
            return
        try:
            read_price_file(Path(self.prices_file))
        except ConfigError as error:
            raise ValueError(
                "prices_file: cannot be used:\n" + "\n".join(map(str, error.problems))
            ) from error
