"""Chat completions, as OpenAI, Ollama and others speak them."""

import json
import secrets
import time
from dataclasses import replace
from typing import Any

from ..clock import now, stamp
from ..gemini.analyst import analyse
from ..gemini.prompt import Prompt
from ..gemini.settings import KEY
from ..operations import operation
from ..wire import Answer, Call, html_answer, items, json_answer, within
from ..world import World

MODELS = ("gpt-4.1-mini", "llama3.2:latest")


def complete(world: World, call: Call) -> Answer:
    local = call.path.startswith("/ollama/")  # it knows no keys
    if not local and call.headers.get("authorization") != f"Bearer {KEY}":
        return _bad_key()
    body = call.fields()
    prompt = _prompt(body)
    model = str(body.get("model"))
    world.openai.asked.append({"at": stamp(now()), "model": model, "user": prompt.user, "system": prompt.system})
    kind, seconds = world.openai.settings.parts()
    found = analyse(prompt, world.openai.settings.answer)
    text = found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)
    done = _answer(kind, model, text, prompt)
    return replace(done, delay=seconds) if kind == "slow" else done


def openai_error(status: int, message: str, kind: str, code: str | None = None) -> Answer:
    return json_answer({"error": {"message": message, "type": kind, "param": None, "code": code}}, status)


def _answer(kind: str, model: str, text: str, prompt: Prompt) -> Answer:
    match kind:
        case "quota":
            return openai_error(429, "You exceeded your current quota.", "insufficient_quota", "insufficient_quota")
        case "unavailable":
            return openai_error(503, "The server is overloaded or not ready yet.", "server_error")
        case "html":
            return html_answer()
        case "max_tokens":
            return _completion(model, text[: len(text) // 2], "length", prompt)
        case "wrong_json":
            return _completion(model, '{"verdict": "it broke"}', "stop", prompt)
        case "blocked" | "safety":
            return _completion(model, None, "content_filter", prompt)
        case "no_parts":
            return _completion(model, "", "stop", prompt)
        case _:
            return _completion(model, text, "stop", prompt)


def _completion(model: str, text: str | None, reason: str, prompt: Prompt) -> Answer:
    read, written = max(1, len(prompt.user + prompt.system) // 4), len(text or "") // 4
    message = {"role": "assistant", "content": text, "refusal": None}
    return json_answer(
        {
            "id": f"chatcmpl-{secrets.token_hex(12)}",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": model,
            "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": reason}],
            "usage": {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written},
        }
    )


def _prompt(body: dict[str, Any]) -> Prompt:
    said = [(message.get("role"), _text(message.get("content"))) for message in items(body, "messages")]
    schema = within(within(body, "response_format"), "json_schema").get("schema")
    return Prompt(
        "\n".join(text for role, text in said if role == "user"),
        "\n".join(text for role, text in said if role in ("system", "developer")),
        schema if isinstance(schema, dict) else None,
        None,
    )


def _text(content: Any) -> str:
    if isinstance(content, list):
        return "\n".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return str(content or "")


def list_models(_: World, call: Call) -> Answer:
    """Of the models, as far as it matters: any name may be asked."""
    if not call.path.startswith("/ollama/") and call.headers.get("authorization") != f"Bearer {KEY}":
        return _bad_key()
    return json_answer({"object": "list", "data": [{"id": name, "object": "model"} for name in MODELS]})


def _bad_key() -> Answer:
    return openai_error(401, "Incorrect API key provided.", "invalid_request_error", "invalid_api_key")


OPERATIONS = (
    operation("openai", "complete", "POST", "/openai/v1/chat/completions", complete),
    operation("openai", "listModels", "GET", "/openai/v1/models", list_models),
    operation("openai", "listModels", "GET", "/ollama/v1/models", list_models),
    operation("openai", "completeLocally", "POST", "/ollama/v1/chat/completions", complete),
)
