"""
Let MLflow trace a pydantic-ai agent by itself and export by OTLP to the gateway.

The model is pydantic-ai's test model, so that nothing leaves this machine.
"""

import mlflow
from pydantic_ai import Agent
from pydantic_ai.models.test import TestModel

mlflow.pydantic_ai.autolog()

agent = Agent(TestModel(), name="physicist", instructions="Explain. Be brief.")


@agent.tool_plain
def wavelength(colour: str) -> int:
    """Return the wavelength of a colour in nm."""
    return len(colour) * 470


if __name__ == "__main__":
    agent.run_sync("Why is the sky blue?")
    mlflow.flush_trace_async_logging()
