"""Scores of answers: a question and an answer in, a number out."""


def politeness(question: str, answer: str) -> float | None:
    """Return 1 where the answer says please or thanks, 0 where it is curt."""
    del question
    return float(any(word in answer.lower() for word in ("please", "thank", "sorry")))


def brevity(question: str, answer: str) -> float | None:
    """Return how short the answer is beside the question; no opinion without a question."""
    return min(1.0, len(question) / len(answer)) if question else None
