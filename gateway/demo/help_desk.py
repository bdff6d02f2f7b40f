"""
A real LangGraph agent on an offline chat model, instrumented with OpenInference.

A graph of three nodes: look something up (flaky, tried again), ask the model, use tools. Three
runs: two turns of one session, and one that ends in an error.
"""

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda
from langchain_core.tools import BaseTool, tool
from langchain_core.utils.function_calling import convert_to_openai_tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from langgraph.types import RetryPolicy
from openinference.instrumentation import using_attributes
from openinference.instrumentation.langchain import LangChainInstrumentor

from gateway.demo import people
from gateway.demo.telemetry import Ledger, tracer_provider

if TYPE_CHECKING:
    from langgraph.graph.state import CompiledStateGraph

    Desk: TypeAlias = CompiledStateGraph[MessagesState, None, MessagesState, MessagesState]

SERVICE = "help-desk"
SESSION = "ticket-4711"

TURNS = (
    "My order A-17 has not come.",
    f"Then tell me at {people.EMAIL} when it does.",
)
FAILURE = "Where is order A-99?"


class ScriptedModel(BaseChatModel):
    """A chat model that needs no network and plays ``gpt-4o-mini``."""

    @property
    def _llm_type(self) -> str:
        return "openai-chat"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model_name": "gpt-4o-mini"}

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Tell the model which tools there are."""
        del tool_choice
        return self.bind(tools=[convert_to_openai_tool(one) for one in tools], **kwargs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        del stop, run_manager, kwargs
        reply = _reply(messages[-1])
        read = sum(len(message.text) for message in messages) // 4
        written = max(1, len(reply.text) // 4)
        reply.usage_metadata = {
            "input_tokens": read,
            "output_tokens": written,
            "total_tokens": read + written,
        }
        reply.response_metadata = {"model_name": "gpt-4o-mini", "model_provider": "openai"}
        return ChatResult(generations=[ChatGeneration(message=reply)])


def _reply(last: BaseMessage) -> AIMessage:
    if isinstance(last, ToolMessage):
        return AIMessage(f"I looked it up: {last.text}.")
    name, arguments = (
        ("order_status", {"order": last.text.split("order ")[1][:4]})
        if "order" in last.text
        else ("notify", {"email": people.EMAIL})
    )
    return AIMessage("", tool_calls=[{"name": name, "args": arguments, "id": f"call_{name}"}])


@tool
def order_status(order: str) -> str:
    """Return where an order is."""
    if order == "A-99":
        raise ConnectionError("the warehouse does not answer")
    return f"order {order} left the warehouse this morning"


@tool
def notify(email: str) -> str:
    """Promise a mail on delivery."""
    return f"a mail to {email} will follow"


class FlakyArchive:
    """Look up earlier tickets; the first search of all breaks, as networks do."""

    def __init__(self) -> None:
        self._searches = 0

    def __call__(self, state: MessagesState) -> dict[str, list[AnyMessage]]:
        """Add nothing to the conversation."""
        del state
        self._searches += 1
        if self._searches == 1:
            raise ConnectionError("the archive hung up; trying again helps")
        return {"messages": []}


def build() -> "Desk":
    """Return the agent's graph."""
    tools = [order_status, notify]
    model = ScriptedModel().bind_tools(tools)

    def ask(state: MessagesState) -> dict[str, list[AnyMessage]]:
        return {"messages": [model.invoke(state["messages"])]}

    graph = StateGraph(MessagesState)
    graph.add_node(
        "search_archive",
        RunnableLambda(FlakyArchive(), name="search_archive"),
        retry_policy=RetryPolicy(initial_interval=0.05, max_attempts=2),
    )
    graph.add_node("ask_model", ask)
    graph.add_node("tools", ToolNode(tools, handle_tool_errors=False))
    graph.add_edge(START, "search_archive")
    graph.add_edge("search_archive", "ask_model")
    graph.add_conditional_edges("ask_model", tools_condition)
    graph.add_edge("tools", "ask_model")
    return graph.compile(checkpointer=InMemorySaver(), name="help_desk")


def main() -> None:
    """Hold the conversations and send their spans."""
    ledger = Ledger(people.PLANTED)
    provider = tracer_provider(SERVICE, ledger=ledger)
    LangChainInstrumentor().instrument(tracer_provider=provider)
    desk = build()
    with using_attributes(session_id=SESSION, user_id="ada"):
        for question in TURNS:
            _ask(desk, question, SESSION)
    with using_attributes(session_id="ticket-4712", user_id="bob"):
        try:
            _ask(desk, FAILURE, "ticket-4712")
        except ConnectionError as error:
            sys.stderr.write(f"as planned, the run failed: {error}\n")
    provider.shutdown()
    ledger.print(SERVICE)


def _ask(desk: "Desk", question: str, thread: str) -> None:
    config: RunnableConfig = {"configurable": {"thread_id": thread}}
    desk.invoke({"messages": [HumanMessage(question)]}, config)


if __name__ == "__main__":
    main()
