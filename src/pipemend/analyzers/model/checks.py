"""What `pipemend doctor` looks at in a model: whether its key is taken and its name known. No question is asked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from pipemend.clients.http import Http
from pipemend.core.checkup import Amiss, Chain, Check, NotTried
from pipemend.core.errors import Missing, NotAllowed, Refused, Unreadable
from pipemend.settings import Settings

SECONDS = 10.0
LATEST = ":latest"  # which Ollama adds
GEMINI, OPENAI = "https://generativelanguage.googleapis.com", "https://api.openai.com/v1"


@dataclass(frozen=True, slots=True)
class Listing:
    """Where a provider lists its models, and with whose key."""

    settings: str  # the names of the settings that say so
    url: str
    headers: Mapping[str, str]
    sure: bool = True  # False for others who speak OpenAI: they may list nothing, or other names


def chains(settings: Settings) -> Sequence[Chain]:
    mend = "look whether this machine may call it"
    models = [(name, partial(_known, _listing(settings, provider), name)) for provider, name in settings.models]
    return [[Check(f"Model {name}", look, mend)] for name, look in models]


def _listing(settings: Settings, provider: str) -> Listing:
    match provider:
        case "openai":
            key = settings.openai_api_key.get_secret_value() if settings.openai_api_key else "none"
            base = settings.openai_base_url or OPENAI
            return Listing(
                "OPENAI_API_KEY and OPENAI_BASE_URL",
                f"{base}/models",
                {"Authorization": f"Bearer {key}"},
                base == OPENAI,
            )
        case "ollama":
            return Listing("OLLAMA_BASE_URL", f"{settings.ollama_base_url}/v1/models", {})
        case _:
            key = settings.gemini_api_key.get_secret_value() if settings.gemini_api_key else ""
            base = settings.google_gemini_base_url or GEMINI
            url = f"{base}/v1beta/models?pageSize=1000"
            return Listing("GEMINI_API_KEY and GOOGLE_GEMINI_BASE_URL", url, {"x-goog-api-key": key})


async def _known(where: Listing, name: str) -> str:
    http = Http(connections=1)
    try:
        answer = await http.send(name, "GET", where.url, deadline=SECONDS, headers=where.headers)
        models = _names(answer.checked(name).json(name))
    except (NotAllowed, Refused, Missing, Unreadable) as error:
        if isinstance(error, Missing) and not where.sure:
            raise NotTried("it lists no models, and is asked no question here") from None
        raise Amiss(str(error), f"look at {where.settings}") from None
    finally:
        await http.close()
    if name.removesuffix(LATEST) not in models:
        if not where.sure:
            raise NotTried("the key is taken; it may be in the list by another name, and is asked no question here")
        raise Amiss(f"there is no model {name} for this key", "look at MODEL_ID")
    return "the key is taken, and the model known; it was asked nothing"


def _names(listed: object) -> set[str]:
    """Gemini lists `models` by `name`, OpenAI and Ollama `data` by `id`."""
    found = listed if isinstance(listed, dict) else {}
    rows = found.get("models") or found.get("data") or ()
    named = (str(row.get("name") or row.get("id")) for row in rows if isinstance(row, dict))
    return {name.removeprefix("models/").removesuffix(LATEST) for name in named}
