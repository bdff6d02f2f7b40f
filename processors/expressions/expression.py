"""Compiled expressions: checked when the gateway starts, evaluated for each span."""

import re
from collections.abc import Callable

from gateway.plugin import Value
from processors.expressions.rewriting import literal, rewrite
from processors.expressions.subject import Level, Subject, vocabulary
from processors.patterns import Pattern

MAX_LENGTH = 10_000
_FAILURES = (TypeError, ValueError, ArithmeticError, LookupError, RuntimeError)
"""What the library raises; RuntimeError also for functions that fail."""
_COMPLAINT = re.compile(
    r"<input>:(\d+):(\d+): (?:Syntax error: )?(.*?)(?: expecting .*)?$", re.MULTILINE
)
_HINTS = (
    (re.compile(r"\band\b"), 'write "&&" for "and"'),
    (re.compile(r"\bor\b"), 'write "||" for "or"'),
    (re.compile(r"\bnot\b"), 'write "!" for "not"'),
    (re.compile(r"(?<![=!<>])=(?!=)"), 'write "==" to compare'),
    (re.compile(r"\bhas\s*\([^)]*\["), 'write "key" in span.attributes instead of has(...)'),
    (re.compile(r'\\[^abfnrtv"\'\\`?xXuU0-7]'), 'double each backslash, or write r"..."'),
)


class EvaluationError(Exception):
    """An expression met values that it is not made for; the message shows none of them."""


class Expression:
    """
    An expression of the Common Expression Language about spans.

    Args:
        source: as the user wrote it.
        level: what it is about.

    Raises:
        ValueError: what is wrong with it, and what to write.

    """

    def __init__(self, source: str, level: Level = "span") -> None:
        from cel import Context, compile  # noqa: A004, PLC0415 - slow, and only for expressions

        self.source = source
        _check_syntax(source)
        try:
            rewritten = rewrite(source, vocabulary(level))
            for pattern in rewritten.patterns:
                Pattern(literal(pattern))
        except ValueError as error:
            raise ValueError(f"{source}: {error}") from None
        self._program = compile(rewritten.source)
        self._new_context = Context
        self._names = rewritten.names
        self._functions = rewritten.functions
        self._nothing = dict.fromkeys(self._names)
        self._nullable = [name.read for name in self._names.values() if name.example is None]
        self._check_types()

    def bind(self, subject: Subject) -> Callable[[], Value]:
        """
        Return what evaluates the expression on whatever ``subject`` looks at by then.

        An absent attribute is ``null``; what cannot be done with ``null`` gives ``null``.

        Raises:
            EvaluationError: (what is returned does) the values do not fit the expression.

        """
        names, execute = self._names, self._program.execute
        context = self._new_context(self._nothing, self._functions)

        def resolve(name: str) -> Value:
            known = names.get(name)
            return None if known is None else known.read(subject)

        context.set_variable_resolver(resolve)

        def evaluate() -> Value:
            try:
                value: Value = execute(context)
            except _FAILURES as error:
                return self._forgive(error, subject)
            return value

        return evaluate

    def _forgive(self, error: Exception, subject: Subject) -> Value:
        if any(read(subject) is None for read in self._nullable):
            return None
        raise EvaluationError(f"{self.source}: {_category(error)}") from None

    def _check_types(self) -> None:
        """Try it on values of the types that are known."""
        examples = {variable: name.example for variable, name in self._names.items()}
        try:
            value = self._program.execute(self._new_context(examples, self._functions))
        except _FAILURES as error:
            if self._nullable or isinstance(error, ArithmeticError | LookupError):
                return
            said = str(error).partition(". ")[0]
            raise ValueError(f"{self.source}: {said}") from None
        self._check_result(value)

    def _check_result(self, value: Value) -> None:
        """Raise ValueError where a result is not of the kind that is needed."""


class Condition(Expression):
    """An expression that is true or false."""

    def bind(self, subject: Subject) -> Callable[[], bool]:
        """
        Return what tells whether the condition is met; ``null`` counts as not met.

        Raises:
            EvaluationError: (what is returned does) the values do not fit the condition.

        """
        evaluate = super().bind(subject)

        def met() -> bool:
            value = evaluate()
            if value is None or isinstance(value, bool):
                return value is True
            raise EvaluationError(f"{self.source}: the result is neither true nor false")

        return met

    def _check_result(self, value: Value) -> None:
        if value is not None and not isinstance(value, bool):
            raise ValueError(
                f"{self.source}: expected a condition that is true or false, found one whose "
                f"result is {_kind(value)}; compare it, as in {self.source} == ..."
            )


def _check_syntax(source: str) -> None:
    from cel import compile  # noqa: A004, PLC0415 - slow, and only for expressions

    if not source.strip():
        raise ValueError("the expression is empty; write true for what always holds")
    if len(source) > MAX_LENGTH:
        raise ValueError(f"an expression has at most {MAX_LENGTH} characters")
    try:
        compile(source)
    except ValueError as error:
        raise ValueError(_complaint(source, str(error))) from None


def _complaint(source: str, said: str) -> str:
    found = _COMPLAINT.search(said)
    if found is None:
        return f"{source}: not an expression of CEL"
    line = f"line {found[1]}, " if "\n" in source.strip() else ""
    hints = [hint for pattern, hint in _HINTS if pattern.search(_without_texts(source))]
    hint = f"; {', '.join(hints)}" if hints else ""
    return f"{source}: {line}column {int(found[2])}: {found[3].strip()}{hint}"


def _without_texts(source: str) -> str:
    """Return a source without what stands in quotes, unless it has backslashes."""
    return re.sub(r'"[^"\\]*"|\'[^\'\\]*\'', '""', source)


def _category(error: Exception) -> str:
    """Say what failed without what the library says, which holds values."""
    if isinstance(error, TypeError):
        return (
            "the types of the values do not fit (CEL converts none: write string(x), int(x), ...)"
        )
    if isinstance(error, ArithmeticError):
        return "division by zero or a number beyond 64 bits"
    if isinstance(error, LookupError):
        return "there is no such key or position"
    return "a value could not be converted"


def _kind(value: Value) -> str:
    if isinstance(value, str):
        return "a text"
    return "a number" if isinstance(value, int | float) else "a list or mapping"
