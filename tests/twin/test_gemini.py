"""Gemini through pydantic-ai."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Literal

import httpx2
import pytest
from pydantic import BaseModel, Field
from pydantic_ai import Agent, NativeOutput
from pydantic_ai.exceptions import (
    ContentFilterError,
    ModelAPIError,
    ModelNotFoundError,
    ModelQuotaExceededError,
    ModelRateLimitError,
    ModelTimeoutError,
    ModelUnavailableError,
    OutputTokenLimitExceeded,
    UnexpectedModelBehavior,
)
from pydantic_ai.models.google import GoogleModel
from pydantic_ai.providers.google import GoogleProvider

from tests.twin.stage import Stage, keys, sample

FAILURE = (
    "Pipeline nightly, activity Copy data1.\nError code 2200: Error calling the endpoint "
    "'https://partner.example.com'. Response status code: 'GatewayTimeout'.\nWhat happened?"
)


class Step(BaseModel):
    text: str
    minutes: int = Field(ge=1, le=60)


class Analysis(BaseModel):
    root_cause: str = Field(max_length=200)
    error_type: Literal["Unclassified", "ThrottlingError", "GatewayTimeout"]
    affected_entity: str | None
    severity: Literal["Low", "Medium", "High"]
    confidence: float = Field(ge=0, le=1)
    recommendations: list[str] = Field(min_length=1, max_length=5)
    steps: list[Step]
    auto_heal_possible: bool


@dataclass
class Asking:
    """Asks the twin as the product would."""

    stage: Stage
    http: httpx2.AsyncClient

    async def __call__(
        self,
        prompt: str = FAILURE,
        *,
        output: Any = None,
        key: str = "twin-gemini-key",
        model: str = "gemini-2.5-flash",
        timeout: float = 5,
    ) -> Analysis:
        provider = GoogleProvider(api_key=key, base_url=f"{self.stage.base_url}/gemini", http_client=self.http)
        agent = Agent(
            GoogleModel(model, provider=provider),
            output_type=output or NativeOutput(Analysis),
            system_prompt="Choose from Unclassified, ThrottlingError, GatewayTimeout.",
            retries=0,
            model_settings={"timeout": timeout},
        )
        found: Analysis = (await agent.run(prompt)).output
        return found


@pytest.fixture
async def ask(stage: Stage) -> AsyncIterator[Asking]:
    async with httpx2.AsyncClient(trust_env=False, timeout=60) as http:
        yield Asking(stage, http)


@pytest.mark.parametrize("output", [NativeOutput(Analysis), Analysis], ids=["schema", "function"])
async def test_the_analysis_fits_what_was_asked_for(ask: Asking, output):
    found = await ask(output=output)

    assert found.error_type == "GatewayTimeout"
    assert "GatewayTimeout" in found.root_cause
    assert found.affected_entity == "'https://partner.example.com'"
    assert (found.severity, found.confidence, found.auto_heal_possible) == ("High", 0.9, True)
    assert found.recommendations


async def test_what_the_prompt_says_of_429_is_throttling(ask: Asking):
    found = await ask("Rest call failed, status code 429 TooManyRequests")

    assert found.error_type == "ThrottlingError"


async def test_single_fields_can_be_put_into_its_mouth(stage: Stage, ask: Asking):
    await stage.put("gemini", answer={"error_type": "Unclassified", "confidence": 0.1})

    found = await ask()

    assert (found.error_type, found.confidence) == ("Unclassified", 0.1)


async def test_prompts_are_kept(stage: Stage, ask: Asking):
    await ask()

    prompts = (await stage.get("gemini/prompts"))["prompts"]

    assert [one["user"] for one in prompts] == [FAILURE]
    assert prompts[0]["system"].startswith("Choose from")


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        ("max_tokens", OutputTokenLimitExceeded),
        ("no_parts", OutputTokenLimitExceeded),
        ("blocked", ContentFilterError),
        ("safety", ContentFilterError),
        ("quota", (ModelRateLimitError, ModelQuotaExceededError)),
        ("unavailable", ModelUnavailableError),
        ("wrong_json", UnexpectedModelBehavior),
    ],
)
async def test_bad_days(stage: Stage, ask: Asking, behaviour, error):
    await stage.put("gemini", behaviour=behaviour)

    with pytest.raises(error):
        await ask()


async def test_an_answer_may_be_wrapped_in_a_fence(stage: Stage, ask: Asking):
    await stage.put("gemini", behaviour="fenced")

    assert (await ask()).error_type == "GatewayTimeout"


async def test_a_web_page_instead_of_an_answer(stage: Stage, ask: Asking):
    await stage.put("gemini", behaviour="html")

    with pytest.raises(Exception):  # noqa: B017  # the library lets several kinds through
        await ask()


async def test_a_slow_model(stage: Stage, ask: Asking):
    await stage.put("gemini", behaviour="slow:0.5")

    with pytest.raises(ModelTimeoutError):
        await ask(timeout=0.1)


async def test_a_wrong_key_and_an_unknown_model(stage: Stage, ask: Asking):
    with pytest.raises(ModelAPIError):
        await ask(key="wrong")
    with pytest.raises(ModelNotFoundError):
        await ask(model="gemma")


async def post(stage: Stage, body: object, **headers: str):
    path = "/gemini/v1beta/models/gemini-2.5-flash:generateContent"
    return await stage.http.post(path, json=body, headers={"x-goog-api-key": "twin-gemini-key", **headers})


async def test_a_wrong_key_is_a_bad_request(stage: Stage):
    answer = await post(stage, {"contents": []}, **{"x-goog-api-key": "wrong"})

    assert answer.status_code == 400
    assert answer.json()["error"]["details"][0]["reason"] == "API_KEY_INVALID"


@pytest.mark.parametrize("name", ["gemini-native-json.json", "gemini-function-call.json"])
async def test_answers_look_like_those_that_were_recorded(stage: Stage, name):
    recorded = sample(name)

    answer = (await post(stage, recorded["request"]["body"])).json()

    part, wanted = (found["candidates"][0]["content"]["parts"][0] for found in (answer, recorded["response"]["body"]))
    assert set(part) == set(wanted)
    assert answer["candidates"][0]["finishReason"] == "STOP"
    left_out = {".candidates[].avgLogprobs", ".usageMetadata.candidatesTokensDetails"}
    missing = keys(recorded["response"]["body"]) - keys(answer)
    assert {key for key in missing if not key.startswith(tuple(left_out)) and "functionCall" not in key} == set()


async def test_the_quota_answer_looks_like_the_captured_one(stage: Stage):
    await stage.put("gemini", behaviour="quota")

    answer = await post(stage, {"contents": [{"parts": [{"text": "x"}]}]})

    assert answer.status_code == 429
    assert keys(sample("gemini-429-quota.json")) == keys(answer.json())


async def test_both_versions_of_the_address_answer(stage: Stage):
    headers = {"x-goog-api-key": "twin-gemini-key"}
    body = {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}

    for version, status in (("v1", 200), ("v1beta", 200), ("v2", 404)):
        path = f"/gemini/{version}/models/gemini-2.5-flash:generateContent"
        assert (await stage.http.post(path, json=body, headers=headers)).status_code == status
