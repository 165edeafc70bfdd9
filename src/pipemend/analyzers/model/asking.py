"""Who is asked, and our names for what goes wrong there. The vendors' libraries are loaded with the first question."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipemend.analyzers.model.answer import RootCause
from pipemend.analyzers.model.question import orders
from pipemend.core.errors import (
    Missing,
    NoAnswer,
    NotAllowed,
    OutsideError,
    Refused,
    Throttled,
    Unreachable,
    Unreadable,
)

if TYPE_CHECKING:
    from pydantic_ai import Agent
    from pydantic_ai.models import Model

CALL_SECONDS = 20.0
MOST_TOKENS = 4096  # thinking models think on the same budget


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model answered; tokens read and written, and US dollars where the price is known."""

    said: RootCause
    tokens: tuple[int, int] = (0, 0)
    cost: float | None = None


Ask = Callable[[str], Awaitable[Reply]]


def gemini(model: str, key: str, base_url: str | None) -> Ask:
    """Asks Gemini. What goes wrong becomes an OutsideError with a plain name."""

    async def ask(text: str) -> Reply:
        from pydantic_ai.models.google import GoogleModel, GoogleModelSettings
        from pydantic_ai.providers.google import GoogleProvider

        wishes = GoogleModelSettings(temperature=0, max_tokens=MOST_TOKENS, timeout=CALL_SECONDS)
        if model.startswith("gemini-2.5-flash"):
            wishes["google_thinking_config"] = {"thinking_budget": 0}
        there = GoogleModel(model, provider=GoogleProvider(api_key=key, base_url=base_url))
        return await _asked(model, _agent(there, wishes), text)

    return ask


def openai(model: str, key: str, base_url: str | None) -> Ask:
    """Asks OpenAI, or whoever speaks its chat completions."""

    async def ask(text: str) -> Reply:
        from openai import AsyncOpenAI
        from pydantic_ai.models.openai import OpenAIChatModel
        from pydantic_ai.providers.openai import OpenAIProvider

        async with AsyncOpenAI(api_key=key, base_url=base_url, max_retries=0, timeout=CALL_SECONDS) as client:
            there = OpenAIChatModel(model, provider=OpenAIProvider(openai_client=client))
            return await _asked(model, _agent(there, {"max_tokens": MOST_TOKENS}), text)

    return ask


def ollama(model: str, base_url: str) -> Ask:
    """Asks an Ollama server, which speaks OpenAI's chat completions under `/v1`."""
    return openai(model, "ollama", f"{base_url.rstrip('/')}/v1")


def _agent(model: "Model", wishes: Any) -> "Agent[None, RootCause]":
    from pydantic_ai import Agent, NativeOutput

    return Agent(model, output_type=NativeOutput(RootCause), instructions=orders(), retries=0, model_settings=wishes)


async def _asked(model: str, agent: "Agent[None, RootCause]", text: str) -> Reply:
    from pydantic_ai.exceptions import AgentRunError

    try:
        async with agent:  # its connections end with the question: the next one may be hours away
            result = await agent.run(text)
    except TimeoutError:
        raise
    except AgentRunError as error:
        raise named(model, error) from error
    except ValueError as error:  # an answer that is no JSON, such as a proxy's page
        raise Unreadable(f"{model} gave an answer that makes no sense") from error
    used = result.response.usage
    return Reply(result.output, (used.input_tokens, used.output_tokens), _cost(result.response))


def _cost(response: Any) -> float | None:
    try:
        return float(response.cost().total_price)
    except (LookupError, ValueError):  # nobody knows its price
        return None


def named(model: str, error: Exception) -> OutsideError:
    """Our word for what a model's library raised."""
    from pydantic_ai import exceptions as theirs

    match error:
        case theirs.ModelRateLimitError() | theirs.ModelQuotaExceededError():
            return Throttled(
                f"the quota of {model} is used up for now", retry_after=getattr(error, "retry_after", None)
            )
        case theirs.ModelAuthenticationError():
            return NotAllowed(f"{model} does not accept our key")
        case theirs.ModelNotFoundError():
            return Missing(f"there is no model {model}")
        case theirs.ModelUnavailableError() | theirs.ModelServerError():
            return Throttled(f"{model} is overloaded or out of order", status=getattr(error, "status_code", 503))
        case theirs.ModelTimeoutError():
            return NoAnswer(f"{model} did not answer in time")
        case theirs.ModelConnectionError():
            return Unreachable(f"{model} cannot be reached")
        case theirs.ContentFilterError():
            return Refused(f"{model} refused to speak about this text")
        case theirs.OutputTokenLimitExceeded():
            return Unreadable(f"the answer of {model} was cut off")
        case theirs.ModelHTTPError():
            return Refused(f"{model} refused the question", status=error.status_code)
        case theirs.UnexpectedModelBehavior() | theirs.ModelAPIError():  # also a page instead of JSON
            return Unreadable(f"{model} gave an answer that makes no sense")
        case _:
            return Unreadable(f"{model} failed: {type(error).__name__}")
