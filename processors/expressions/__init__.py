"""
Conditions and formulas about spans, in the Common Expression Language.

``subject`` names what they speak of, ``functions`` what they can do, ``rewriting`` makes them
cheap, ``expression`` checks and evaluates them. The choice of the language and the library:
``docs/adr/0005-expressions.md``.
"""

from processors.expressions.expression import Condition, EvaluationError, Expression
from processors.expressions.subject import Level, Subject

__all__ = ["Condition", "EvaluationError", "Expression", "Level", "Subject"]
