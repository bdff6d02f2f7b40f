"""
A real pydantic-ai agent on an offline model, instrumented with OpenInference.

Its model is a script that plays ``gpt-4o-mini``, so that tokens have a price. Run with
``session`` for a conversation of three turns (with a tool that asks for a retry, and a prompt full
of personal data), with ``failure`` for a run that ends in an error.
"""

import asyncio
import sys

from openinference.instrumentation import using_attributes
from openinference.instrumentation.pydantic_ai import OpenInferenceSpanProcessor
from pydantic_ai import Agent, ModelRetry
from pydantic_ai.capabilities import Instrumentation
from pydantic_ai.messages import (
    ModelMessage,
    ModelResponse,
    RetryPromptPart,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.models.instrumented import InstrumentationSettings

from gateway.demo import people
from gateway.demo.telemetry import Ledger, tracer_provider

SERVICE = "trip-planner"
SESSION = "paris-trip"

TURNS = (
    "What will the weather be in Paris tomorrow?",
    "Then find me a train from Lyon that arrives before nine.",
    f"Book it for {people.EMAIL}, card {people.CARD}, and use the key {people.API_KEY}.",
)
FAILURE = "Is there a train to Atlantis?"


def weather(city: str) -> str:
    """Return tomorrow's weather."""
    return f"{city}: sunny, 24 °C"


def find_train(origin: str, destination: str) -> dict[str, str]:
    """Return the first train of the day."""
    if destination == "Atlantis":
        raise ConnectionError("the timetable of Atlantis is under water")
    if origin != "Lyon Part-Dieu":
        raise ModelRetry(f'unknown station "{origin}"; did you mean "Lyon Part-Dieu"?')
    return {"train": "TGV 6602", "departs": "06:30", "arrives": "08:28"}


def book(train: str, email: str) -> str:
    """Reserve a seat and send the ticket."""
    return f"{train} is booked, ticket sent to {email}"


def play(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    """Answer as a model would: call the tool that fits, mend a refused call, then sum up."""
    del info
    last = messages[-1].parts[-1]
    # Older pydantic-ai asks for a retry with a part of its own kind, newer by an outcome.
    if isinstance(last, RetryPromptPart) or getattr(last, "outcome", "") == "retried":
        return _call("find_train", origin="Lyon Part-Dieu", destination="Paris")
    if isinstance(last, ToolReturnPart):
        return ModelResponse([TextPart(f"Here you are: {last.model_response_str()}.")])
    question = str(last.content) if isinstance(last, UserPromptPart) else ""
    if "weather" in question:
        return _call("weather", city="Paris")
    if "Book" in question:
        return _call("book", train="TGV 6602", email=people.EMAIL)
    return _call(
        "find_train", origin="Lyon", destination="Atlantis" if "Atlantis" in question else "Paris"
    )


def _call(tool: str, **arguments: str) -> ModelResponse:
    return ModelResponse([ToolCallPart(tool, arguments)])


async def converse(agent: Agent[None, str]) -> None:
    """
    Hold one conversation; each turn is a trace, the session joins them.

    ``conversation_id`` and not ``using_attributes(session_id=...)``: OpenInference writes
    pydantic-ai's conversation id over ``session.id``.
    """
    history: list[ModelMessage] = []
    with using_attributes(user_id="ada"):
        for question in TURNS:
            turn = await agent.run(question, message_history=history, conversation_id=SESSION)
            history = turn.all_messages()


async def fail(agent: Agent[None, str]) -> None:
    """Run into a broken tool."""
    with using_attributes(user_id="plato"):
        try:
            await agent.run(FAILURE, conversation_id="atlantis-trip")
        except ConnectionError as error:
            sys.stderr.write(f"as planned, the run failed: {error}\n")


def main(scenes: list[str]) -> None:
    """Play the scenes and send their spans."""
    ledger = Ledger(people.PLANTED)
    provider = tracer_provider(SERVICE, OpenInferenceSpanProcessor(), ledger=ledger)
    agent = Agent(
        FunctionModel(play, model_name="gpt-4o-mini"),
        name="trip_planner",
        instructions="Plan trips. Be brief.",
        tools=[weather, find_train, book],
        capabilities=[Instrumentation(InstrumentationSettings(tracer_provider=provider))],
    )
    for scene in scenes:
        asyncio.run({"session": converse, "failure": fail}[scene](agent))
    provider.shutdown()
    ledger.print(SERVICE)


if __name__ == "__main__":
    main(sys.argv[1:])
