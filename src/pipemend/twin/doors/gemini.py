"""generateContent, in both versions of its address."""

from typing import Any

from ..clock import now, stamp
from ..gemini.answers import Asked, answer
from ..gemini.prompt import read_prompt
from ..gemini.settings import KEY
from ..operations import operation
from ..refusals import google_error
from ..wire import Answer, Call, json_answer
from ..world import World

NOT_FOUND = (
    "models/{model} is not found for API version {version}, or is not supported for generateContent. Call "
    "ModelService.ListModels to see the list of available models and their supported methods."
)
BAD_KEY = "API key not valid. Please pass a valid API key."
VERSIONS = ("v1", "v1beta")


def generate(world: World, call: Call) -> Answer:
    if (call.headers.get("x-goog-api-key") or call.query.get("key")) != KEY:
        return _bad_key()
    model, version = call.params["model"], call.params["version"]
    if version not in VERSIONS or not _exists(world, model):
        return google_error(404, "NOT_FOUND", NOT_FOUND.format(model=model, version=version))
    body = _body(call)
    if not body.get("contents"):
        return google_error(400, "INVALID_ARGUMENT", "* GenerateContentRequest.contents: contents is not specified\n")
    prompt = read_prompt(body)
    world.gemini.asked.append(
        {"at": stamp(now()), "model": model, "user": prompt.user, "system": prompt.system, "body": body}
    )
    return answer(Asked(model, prompt, world.gemini.settings))


def list_models(world: World, call: Call) -> Answer:
    if (call.headers.get("x-goog-api-key") or call.query.get("key")) != KEY:
        return _bad_key()
    names = world.gemini.settings.models or ("gemini-2.5-flash",)
    return json_answer({"models": [{"name": f"models/{name}"} for name in names]})


def _exists(world: World, model: str) -> bool:
    known = world.gemini.settings.models
    return model in known if known else model.startswith(("gemini-", "gemma-"))


def _body(call: Call) -> dict[str, Any]:
    try:
        data = call.json()
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}


def _bad_key() -> Answer:
    info: dict[str, object] = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "API_KEY_INVALID",
        "domain": "googleapis.com",
        "metadata": {"service": "generativelanguage.googleapis.com"},
    }
    return google_error(400, "INVALID_ARGUMENT", BAD_KEY, [info])


OPERATIONS = (
    operation("gemini", "generateContent", "POST", "/gemini/{version}/models/{model}:generateContent", generate),
    operation("gemini", "listModels", "GET", "/gemini/{version}/models", list_models),
)
