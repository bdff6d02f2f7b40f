"""
Decide on whole traces, by the Collector's policies and by what calls of models did and cost.

``settings`` says what can be configured, ``policies`` makes policies of it; each kind stands in
the module that its name suggests. ``view`` is what policies look at.
"""

from processors.tail_sampling.processor import TailSampling
from processors.tail_sampling.settings import TailSamplingConfig

__all__ = ["TailSampling", "TailSamplingConfig"]
