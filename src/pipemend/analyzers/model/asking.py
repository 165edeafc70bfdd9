"""Who is asked, and our names for what goes wrong there. The vendors' libraries are loaded with the first question."""

import asyncio
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

    def make() -> "Agent[None, RootCause]":
        from pydantic_ai.models.google import GoogleModel, GoogleModelSettings
        from pydantic_ai.providers.google import GoogleProvider

        from pipemend.clients.model_http import client

        wishes = GoogleModelSettings(temperature=0, max_tokens=MOST_TOKENS, timeout=CALL_SECONDS)
        if model.startswith("gemini-2.5-flash"):
            wishes["google_thinking_config"] = {"thinking_budget": 0}
        provider = GoogleProvider(api_key=key, base_url=base_url, http_client=client(CALL_SECONDS))
        return _agent(GoogleModel(model, provider=provider), wishes)

    return _asking(model, make)


def openai(model: str, key: str, base_url: str | None) -> Ask:
    """Asks OpenAI, or whoever speaks its chat completions."""

    def make() -> "Agent[None, RootCause]":
        from openai import AsyncOpenAI
        from pydantic_ai.models.openai import OpenAIChatModel
        from pydantic_ai.providers.openai import OpenAIProvider

        from pipemend.clients.model_http import client

        http = client(CALL_SECONDS)
        there = AsyncOpenAI(api_key=key, base_url=base_url, max_retries=0, timeout=CALL_SECONDS, http_client=http)
        return _agent(OpenAIChatModel(model, provider=OpenAIProvider(openai_client=there)), {"max_tokens": MOST_TOKENS})

    return _asking(model, make)


def ollama(model: str, base_url: str) -> Ask:
    """Asks an Ollama server, which speaks OpenAI's chat completions under `/v1`."""
    return openai(model, "ollama", f"{base_url.rstrip('/')}/v1")


def _agent(model: "Model", wishes: Any) -> "Agent[None, RootCause]":
    from pydantic_ai import Agent, NativeOutput

    return Agent(model, output_type=NativeOutput(RootCause), instructions=orders(), retries=0, model_settings=wishes)


def _asking(model: str, make: "Callable[[], Agent[None, RootCause]]") -> Ask:
    """Asks an agent that is made with the first question, and in a thread: to load the libraries takes seconds."""
    making: asyncio.Task[Agent[None, RootCause]] | None = None

    async def ask(text: str) -> Reply:
        nonlocal making
        if making is None or making.cancelled() or making.get_loop() is not asyncio.get_running_loop():
            making = asyncio.create_task(asyncio.to_thread(make))
        return await _asked(model, await asyncio.shield(making), text)

    return ask


async def _asked(model: str, agent: "Agent[None, RootCause]", text: str) -> Reply:
    from pydantic_ai.exceptions import AgentRunError

    try:
        result = await agent.run(text)
    except TimeoutError:
        raise
    except Unreadable as error:
        raise Unreadable(f"{model} gave an answer that makes no sense: {error}", status=error.status) from error
    except AgentRunError as error:
        raise named(model, error) from error
    except (ValueError, TypeError, AttributeError, LookupError) as error:  # a page, or odd JSON
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
        case theirs.ModelUnavailableError():
            return Throttled(f"{model} is overloaded", status=getattr(error, "status_code", 503))
        case theirs.ModelServerError():
            return OutsideError(f"{model} is out of order", transient=True, status=getattr(error, "status_code", 500))
        case theirs.ModelTimeoutError():
            return NoAnswer(f"{model} did not answer in time")
        case theirs.ModelConnectionError():
            return _unanswered(model, error)
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


def _unanswered(model: str, error: Exception) -> OutsideError:
    """No connection, or one that broke before the answer was whole."""
    import httpx2

    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, httpx2.ConnectError | httpx2.ConnectTimeout):
            return Unreachable(f"{model} cannot be reached")
        cause = cause.__cause__
    return NoAnswer(f"the answer of {model} was lost")
