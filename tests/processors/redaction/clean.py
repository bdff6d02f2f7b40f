"""Make the other half of the labelled corpus: what looks like a finding and is none."""

import base64
import json
import uuid

from gateway.otlp.values import Value
from tests.processors.redaction.corpus import ALNUM, HEX, Item, Maker


def negatives(seed: int = 2, rounds: int = 12) -> list[Item]:
    """Return items in which nothing may change."""
    make = Maker(seed)
    r = make.random
    items: list[Item] = []
    for _ in range(rounds):
        vector = [round(r.uniform(-1, 1), r.randint(6, 17)) for _ in range(64)]
        version = f"{r.randint(0, 20)}.{r.randint(0, 40)}.{r.randint(0, 9)}"
        chosen: list[tuple[str, str, Value]] = [
            ("uuid", "run.id", str(uuid.UUID(int=r.getrandbits(128), version=4))),
            ("uuid in text", "note", f"run {uuid.UUID(int=r.getrandbits(128), version=4)} done"),
            ("trace id", "note", f"trace {make.chars(HEX, 32)} span {make.chars(HEX, 16)}"),
            ("digest", "note", f"sha256:{make.chars(HEX, 64)} and md5 {make.chars(HEX, 32)}"),
            ("commit", "note", f"fixed in {make.chars(HEX, 40)}"),
            ("vector", "embedding", json.dumps(vector)),
            ("vector in json", "output.value", json.dumps({"data": [{"embedding": vector}]})),
            ("vector array", "embedding.vector", list(vector)),
            ("integers", "token_ids", [r.randint(10**8, 10**11) for _ in range(20)]),
            ("base64", "image", base64.b64encode(r.randbytes(600)).decode()),
            (
                "data url",
                "image",
                "data:image/png;base64," + base64.b64encode(r.randbytes(900)).decode(),
            ),
            (
                "data url in json",
                "input.value",
                json.dumps(
                    {
                        "image_url": {
                            "url": "data:image/png;base64,"
                            + base64.b64encode(r.randbytes(300)).decode()
                        }
                    }
                ),
            ),
            ("version", "service.version", f"{version}.{r.randint(0, 9)}"),
            (
                "version in text",
                "note",
                f"Running Chrome/{r.randint(90, 130)}.0.0.0 with v{version}",
            ),
            (
                "timestamp",
                "note",
                f"at 2026-0{r.randint(1, 9)}-1{r.randint(0, 9)}T10:{r.randint(10, 59)}:00.123456Z",
            ),
            ("nanoseconds", "start", 1_700_000_000_000_000_000 + r.getrandbits(50)),
            (
                "created",
                "output.value",
                json.dumps(
                    {
                        "id": "chatcmpl-" + make.chars(ALNUM, 29),
                        "created": 1_700_000_000 + r.getrandbits(26),
                    }
                ),
            ),
            ("date", "note", f"Termin am {r.randint(10, 28)}.0{r.randint(1, 9)}.2026 um 10:30 Uhr"),
            ("order", "note", f"order number {make.digits(10)} shipped"),
            ("order dashed", "note", f"Order 114-{make.digits(7)}-{make.digits(7)} was delivered"),
            ("tokens", "llm.token_count.prompt", r.randint(1, 9999)),
            ("usage", "gen_ai.usage.input_tokens", r.randint(1, 9999)),
            (
                "usage json",
                "output.value",
                json.dumps({"usage": {"prompt_tokens": r.randint(1, 999), "total_tokens": 5}}),
            ),
            (
                "parameters",
                "llm.invocation_parameters",
                json.dumps({"max_tokens": 4096, "temperature": 0.7, "top_p": 0.95}),
            ),
            (
                "model",
                "llm.model_name",
                r.choice(
                    (
                        "gpt-4o-2024-08-06",
                        "claude-3-5-sonnet-20241022",
                        "anthropic.claude-3-haiku-20240307-v1:0",
                        "text-embedding-3-large",
                    )
                ),
            ),
            ("tool call", "tool.id", "call_" + make.chars(ALNUM, 24)),
            (
                "logprobs",
                "output.value",
                json.dumps(
                    {"logprobs": {"content": [{"token": " understanding", "logprob": -0.1}]}}
                ),
            ),
            (
                "schema",
                "llm.tools",
                json.dumps(
                    {
                        "type": "object",
                        "properties": {
                            "password": {"type": "string", "description": "The user's password"},
                            "token": {"type": "string"},
                        },
                        "required": ["password"],
                    }
                ),
            ),
            ("decorator", "note", "@app.route('/x') and npm i @scope/pkg@1.2.3"),
            ("bad card", "note", f"ref 4{make.digits(14)}{'a'}"),
            (
                "prose about secrets",
                "note",
                "Please reset your password: click the link. The token is required.",
            ),
            (
                "code",
                "note",
                "api_key = os.environ['API_KEY']\npassword = config.password\nstd::vector<a::b>",
            ),
            (
                "price",
                "note",
                f"The total is 1,{make.digits(3)},{make.digits(3)}.00 USD for {make.digits(5)}",
            ),
            ("isbn", "note", "ISBN 978-3-16-148410-0"),
            ("range", "note", "from 1990-2020 and pages 100-2000"),
            (
                "math",
                "note",
                f"{make.digits(4)} + {make.digits(5)} = {make.digits(5)}; 0.{make.digits(16)}",
            ),
            ("localhost", "url.full", "http://127.0.0.1:8080/v1/chat/completions"),
            ("session", "session.id", f"session-{make.digits(4)}"),
            ("user", "user.id", f"user_{make.chars(HEX, 12)}"),
            ("time", "note", "10:30:15 - 11:45:00, ratio 1:2:3:4"),
            ("Deutsch", "note", "Das Modell fasst den Text zusammen und nennt drei Quellen."),
            ("한국어", "note", "이 모델은 문서를 요약하고 출처를 밝힙니다."),
            ("日本語", "note", "モデルは文書を要約し、三つの出典を示します。"),
            (
                "français",
                "note",
                "Le modèle résume le texte en 3 points (2019) et cite 12 sources.",
            ),
        ]
        items += [Item("", form, key, value, "") for form, key, value in chosen]
    return items
