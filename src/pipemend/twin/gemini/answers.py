"""What Gemini answers, in good days and bad."""

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from ..refusals import google_error
from ..wire import Answer, html_answer, json_answer
from .analyst import analyse
from .prompt import Prompt
from .settings import GeminiSettings

RETRY_SECONDS = 47
FREE_TIER = "generativelanguage.googleapis.com/generate_content_free_tier"


@dataclass(frozen=True)
class Asked:
    model: str
    prompt: Prompt
    settings: GeminiSettings

    def analysis(self) -> Any:
        return analyse(self.prompt, self.settings.answer)

    def text(self) -> str:
        """The answer as text: pretty-printed JSON, as the real one writes it."""
        found = self.analysis()
        return found if isinstance(found, str) else json.dumps(found, indent=2, ensure_ascii=False)


def answer(asked: Asked) -> Answer:
    kind, seconds = asked.settings.parts()
    done = _ANSWERS[kind](asked)
    return replace(done, delay=seconds) if kind == "slow" else done


def _normal(asked: Asked) -> Answer:
    if asked.prompt.function:
        part: dict[str, Any] = {"functionCall": {"name": asked.prompt.function, "args": asked.analysis()}}
    else:
        part = {"text": asked.text()}
    return _candidate(asked, [part], "STOP")


def _max_tokens(asked: Asked) -> Answer:
    text = asked.text()
    return _candidate(asked, [{"text": text[: len(text) // 2]}], "MAX_TOKENS")


def _no_parts(asked: Asked) -> Answer:
    """A thinking model that spent its budget on thinking."""
    return _envelope(asked, [{"content": {"role": "model"}, "finishReason": "MAX_TOKENS", "index": 0}], 0)


def _blocked(asked: Asked) -> Answer:
    data = {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, **_tail(asked, 0)}
    return _google(data)


def _safety(asked: Asked) -> Answer:
    return _envelope(asked, [{"content": {}, "finishReason": "SAFETY", "index": 0}], 0)


def _wrong_json(asked: Asked) -> Answer:
    return _candidate(asked, [{"text": '{\n  "verdict": "it broke",\n  "sure": "rather"\n}'}], "STOP")


def _fenced(asked: Asked) -> Answer:
    return _candidate(asked, [{"text": f"Here is the analysis:\n```json\n{asked.text()}\n```"}], "STOP")


def _quota(asked: Asked) -> Answer:
    metric = f"{FREE_TIER}_requests"
    message = (
        "You exceeded your current quota, please check your plan and billing details. For more information on this "
        "error, head to: https://ai.google.dev/gemini-api/docs/rate-limits. \n"
        f"* Quota exceeded for metric: {metric}, limit: 0, model: {asked.model}\nPlease retry in {RETRY_SECONDS}.88s."
    )
    violation = {
        "quotaMetric": metric,
        "quotaId": "GenerateRequestsPerMinutePerProjectPerModel-FreeTier",
        "quotaDimensions": {"model": asked.model, "location": "global"},
    }
    links = [
        {
            "description": "Learn more about Gemini API quotas",
            "url": "https://ai.google.dev/gemini-api/docs/rate-limits",
        }
    ]
    details: list[dict[str, object]] = [
        {"@type": "type.googleapis.com/google.rpc.Help", "links": links},
        {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [violation]},
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{RETRY_SECONDS}s"},
    ]
    return google_error(429, "RESOURCE_EXHAUSTED", message, details)


def _unavailable(_: Asked) -> Answer:
    return google_error(503, "UNAVAILABLE", "The model is overloaded. Please try again later.")


def _candidate(asked: Asked, parts: list[dict[str, Any]], reason: str) -> Answer:
    candidate = {"content": {"parts": parts, "role": "model"}, "finishReason": reason, "index": 0}
    return _envelope(asked, [candidate], _tokens(json.dumps(parts)))


def _envelope(asked: Asked, candidates: list[dict[str, Any]], tokens: int) -> Answer:
    return _google({"candidates": candidates, **_tail(asked, tokens)})


def _tail(asked: Asked, tokens: int) -> dict[str, Any]:
    read = _tokens(asked.prompt.user + asked.prompt.system)
    usage: dict[str, Any] = {
        "promptTokenCount": read,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": read}],
        "totalTokenCount": read + tokens,
    }
    if tokens:
        usage["candidatesTokenCount"] = tokens
    return {"usageMetadata": usage, "modelVersion": asked.model, "responseId": secrets.token_urlsafe(16)}


def _tokens(text: str) -> int:
    return max(1, len(text) // 4)


def _google(data: dict[str, Any]) -> Answer:
    return json_answer(data, headers=(("server-timing", "gfet4t7; dur=760"),))


_ANSWERS: dict[str, Callable[[Asked], Answer]] = {
    "normal": _normal,
    "slow": _normal,
    "max_tokens": _max_tokens,
    "no_parts": _no_parts,
    "blocked": _blocked,
    "safety": _safety,
    "quota": _quota,
    "html": lambda _: html_answer(),
    "wrong_json": _wrong_json,
    "fenced": _fenced,
    "unavailable": _unavailable,
}
