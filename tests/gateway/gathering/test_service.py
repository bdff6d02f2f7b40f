"""What a whole gateway with stage 2 promises, from its endpoints to MLflow."""

import asyncio
import re
from pathlib import Path

import pytest

from gateway.batch import Batch
from gateway.config.loader import ConfigError, load
from gateway.plugin import Value
from gateway.testing import FakeMlflow, batch
from tests.gateway.gathering.bench import until
from tests.gateway.running import Gateway, gateway

MLFLOW = """
processors:
  mlflow_mapping: {{}}
  cost: {{}}
  tail_sampling:
    decision_wait: 1h
    decision_wait_after_root_received: 20ms
    policies:
      - {{name: errors, type: status_code, status_code: {{status_codes: [ERROR]}}}}
      - {{name: dear, type: cost, cost: {{min_usd: 1}}}}
exporters:
  mlflow:
    endpoint: {url}
    batch: {{flush_timeout: 10ms}}
    sending_queue: {{storage: {storage}}}
service:
  pipelines:
    traces:
      receivers: [otlp]
      processors: [mlflow_mapping, cost, tail_sampling]
      exporters: [mlflow]
"""
DEAR: dict[str, Value] = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.usage.input_tokens": 1_000_000,
    "gen_ai.usage.output_tokens": 10,
}


def failed() -> Batch:
    spans = batch({}, {})
    spans.spans[1].proto.status.code = 2  # type: ignore[assignment] # numbers are the enumeration's
    return spans


@pytest.mark.parametrize("storage", ["disk", "memory"])
async def test_kept_traces_reach_the_experiment_of_their_senders(
    tmp_path: Path, storage: str
) -> None:
    """What a sender's headers say still counts when its trace is decided."""
    async with FakeMlflow() as server:
        chosen = server.add_experiment("chosen")
        text = MLFLOW.format(url=server.url, storage=storage)
        async with gateway(tmp_path, text) as running:
            header = {"x-mlflow-experiment-id": chosen}
            here, there, cheap = failed(), batch({}, DEAR), batch({}, {"a": 1})
            for sent, headers in (
                (cheap, header),
                (here, header),
                (there, {"x-mlflow-experiment-id": "0"}),
            ):
                assert 200 == (await running.post(sent.encode(), headers))[0]
            experiments = server.experiments
            await until(lambda: len(experiments[chosen].spans) + len(experiments["0"].spans) >= 4)
            assert {here.spans[0].trace_id} == experiments[chosen].traces
            assert {there.spans[0].trace_id} == experiments["0"].traces
            expected = {
                f'decision="{decision}",pipeline="traces",policy="{policy}"'
                for decision, policy in (
                    ("kept", "errors"), ("kept", "dear"), ("dropped", "no_policy_matched"),
                )
            }  # fmt: skip
            while not expected <= await decisions(running):
                await asyncio.sleep(0.01)  # the last decision may come after what was kept


async def decisions(running: Gateway) -> set[str]:
    """Return the labels of the decisions that were counted."""
    async with running.http.get(running.url("/metrics", "metrics")) as answer:
        figures = await answer.text()
    return set(re.findall(r"sampling_traces_total\{(.*?)\} [1-9]", figures))


ORDER = """
receivers: {otlp: }
exporters: {debug: {sending_queue: {storage: memory}}}
processors:
  cost: {}
  tail_sampling: {policies: [{name: all, type: always_sample}]}
  tail_sampling/two: {policies: [{name: all, type: always_sample}]}
service: {pipelines: {traces: {receivers: [otlp], processors: ORDER, exporters: [debug]}}}
"""


@pytest.mark.parametrize(
    ("order", "said"),
    [
        ("[tail_sampling, cost]", 'move it before "tail_sampling"'),
        ("[cost, tail_sampling, tail_sampling/two]", "use a second pipeline"),
    ],
)
def test_nothing_stands_behind_stage_2(tmp_path: Path, order: str, said: str) -> None:
    """Neither a processor of stage 1 nor another that decides on traces."""
    path = tmp_path / "gateway.yaml"
    path.write_text(ORDER.replace("ORDER", order))
    with pytest.raises(ConfigError) as caught:
        load([path], environ={})
    [problem] = caught.value.problems
    assert said in problem.hint
    assert problem.path.startswith("service.pipelines.traces.processors[")


def stored(server: FakeMlflow) -> int:
    """Return how many spans there are in all experiments."""
    return sum(len(one.spans) for one in server.experiments.values())


async def test_what_is_undecided_on_stopping_is_decided_in_the_next_run(tmp_path: Path) -> None:
    """Undecided on stopping, decided after the next start, by new settings too."""
    async with FakeMlflow() as server:
        text = MLFLOW.format(url=server.url, storage="disk")
        orphan = failed()
        for span in orphan:
            span.proto.parent_span_id = b"elsewher"
        async with gateway(tmp_path, text) as running:
            assert 200 == (await running.post(orphan.encode()))[0]
            waiting = {
                one.exporter: one.waiting_spans for one in running.service.status().exporters
            }
            assert {"pipelines.traces": 2, "mlflow": 0} == waiting
        assert not stored(server)
        async with gateway(tmp_path, text.replace("1h", "1ms")):
            await until(lambda: stored(server) == 2)
