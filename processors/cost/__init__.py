"""What calls of models cost: tokens times prices of a catalogue and of the user's own file."""

from processors.cost.processor import Cost
from processors.cost.settings import CostConfig

__all__ = ["Cost", "CostConfig"]
