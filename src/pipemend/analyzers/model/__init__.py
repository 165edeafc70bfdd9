"""Asks a model what broke: one closed question about the evidence, one answer, nothing else.

The rules decide. What the model says is shown: its words explain, and where the rules know no type, its error type may
be named. Whether a machine may act follows the rules alone: a diagnosis from here is never more willing than theirs.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pipemend import meters
from pipemend.analyzers.model.answer import diagnosis
from pipemend.analyzers.model.asking import Ask, Reply, gemini, ollama, openai
from pipemend.analyzers.model.checks import chains
from pipemend.analyzers.model.question import question, quotable
from pipemend.analyzers.rules import explain
from pipemend.core.checkup import Chain
from pipemend.core.errors import NoAnswer, OutsideError
from pipemend.core.rca import Diagnosis, Failure, History
from pipemend.settings import Settings

TOTAL_SECONDS = 20.0
FIRST_SHARE = 0.6  # of the time that is left, while there is another model to ask


@dataclass(frozen=True, slots=True)
class Asked:
    """A model that may be asked."""

    name: str
    ask: Ask


class Model:
    """The analyzer that asks models, in order, until one answers. Each is asked once, within one limit for all."""

    def __init__(self, models: Sequence[Asked], seconds: float = TOTAL_SECONDS, chains: Sequence[Chain] = ()) -> None:
        self.models = models
        self._chains = chains
        self._seconds = seconds

    async def diagnose(self, failure: Failure, past: History) -> Diagnosis:
        """What the first model says that gives a usable answer. Raises OutsideError when none does in time."""
        candidate = explain(failure)
        asked = question(failure, past, candidate)
        model, reply = await self._first_answer(asked)
        said = diagnosis(model, reply.said, candidate, quotable(failure, past))
        kept = {"prompt": asked, "answer": reply.said.model_dump(), "tokens": reply.tokens, "cost": reply.cost}
        return replace(said, fingerprint=candidate.fingerprint, details={**said.details, **kept})

    def checks(self) -> Sequence[Chain]:
        return self._chains

    async def _first_answer(self, asked: str) -> tuple[str, Reply]:
        loop = asyncio.get_running_loop()
        end = loop.time() + self._seconds
        errors: list[OutsideError] = []
        for number, model in enumerate(self.models, 1):
            left = end - loop.time()
            seconds = left if number == len(self.models) else left * FIRST_SHARE
            try:
                async with asyncio.timeout(seconds):
                    with meters.outside("model", model.name):
                        return model.name, await model.ask(asked)
            except TimeoutError:
                errors.append(NoAnswer(f"{model.name} did not answer within {seconds:.3g} seconds"))
            except OutsideError as error:
                errors.append(error)
        raise _of_all(errors)


def _of_all(errors: Sequence[OutsideError]) -> OutsideError:
    """The one error, or one that tells of all."""
    if len(errors) == 1:
        return errors[0]
    return OutsideError("; ".join(str(error) for error in errors), transient=any(error.transient for error in errors))


def build(settings: Settings) -> Model | None:
    """The models of the settings; none where none has a key or an address."""
    found = [Asked(model, _ask(settings, provider, model)) for provider, model in settings.models]
    return Model(found, chains=chains(settings)) if found else None


def _ask(settings: Settings, provider: str, model: str) -> Ask:
    match provider:
        case "openai":
            key = settings.openai_api_key
            return openai(model, key.get_secret_value() if key else "none", settings.openai_base_url or None)
        case "ollama":
            return ollama(model, settings.ollama_base_url)
        case _:
            key = settings.gemini_api_key
            return gemini(model, key.get_secret_value() if key else "", settings.google_gemini_base_url or None)
