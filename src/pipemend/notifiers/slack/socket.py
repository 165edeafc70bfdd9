"""Socket Mode: presses come over a line that we open, so nobody has to reach us.

https://docs.slack.dev/apis/events-api/using-socket-mode/
"""

import asyncio
import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from pipemend.core.alert import Press
from pipemend.core.errors import BadDelivery, OutsideError, Unreadable
from pipemend.core.ports import Take
from pipemend.notifiers.slack.api import OPENS, Api
from pipemend.notifiers.slack.interactions import Interactions, an_object

if TYPE_CHECKING:
    import aiohttp

NAME = "slack:socket"
CONNECT_SECONDS, BEAT_SECONDS, LEAVE_SECONDS = 10.0, 20.0, 2.0
LONGEST = 256 * 1024  # bytes of one message, as at the doors
AT_ONCE = 50  # presses in hand; more wait in the line
STEADY = 30.0  # a line that held so long was a good one
PAUSES = (0.5, 1.0, 2.0, 5.0, 15.0, 60.0)  # seconds before the next line
log = logging.getLogger(__name__)


class Socket:
    """One line at a time, and a new one whenever it ends. Slack takes up to ten of them, one for each worker."""

    def __init__(
        self,
        api: Api,
        interactions: Interactions,
        allows: Callable[[str], bool],
        pauses: Sequence[float] = PAUSES,
    ) -> None:
        self.api, self._interactions, self._allows, self._pauses = api, interactions, allows, pauses

    async def listen(self, take: Take) -> None:
        """Until it is cancelled."""
        failed = 0
        while True:
            begun = time.monotonic()
            why = await self._line(take)
            failed = 0 if time.monotonic() - begun >= STEADY else failed + 1
            pause = self._pauses[min(failed, len(self._pauses) - 1)]
            level = logging.WARNING if failed else logging.INFO  # every line ends some day
            log.log(level, "Slack's socket has ended", extra={"why": why, "again_in": pause})
            await asyncio.sleep(pause)

    async def close(self) -> None:
        await self.api.close()
        await self._interactions.close()

    async def _line(self, take: Take) -> str:
        """Opens a line and hears until it ends; why it did."""
        import aiohttp

        from pipemend.clients.bounded import session

        try:
            async with session() as http:
                return await self._hear(await self._connected(http), take)
        except (OutsideError, TimeoutError, OSError) as error:
            return str(error) or type(error).__name__
        except aiohttp.ClientError as error:  # its words may hold the address, which is a secret
            return type(error).__name__

    async def _connected(self, http: "aiohttp.ClientSession") -> "aiohttp.ClientWebSocketResponse":
        """Raises OutsideError, TimeoutError or an error of the client."""
        import aiohttp

        url = (await self.api.write(OPENS)).get("url")
        if not isinstance(url, str) or not self._allows(url):
            raise Unreadable("Slack named no address for the socket that is among ALLOWED_HOSTS")
        async with asyncio.timeout(CONNECT_SECONDS):
            leave = aiohttp.ClientWSTimeout(ws_close=LEAVE_SECONDS)
            return await http.ws_connect(url, timeout=leave, heartbeat=BEAT_SECONDS, max_msg_size=LONGEST)

    async def _hear(self, line: "aiohttp.ClientWebSocketResponse", take: Take) -> str:
        import aiohttp

        in_hand: set[asyncio.Task[None]] = set()
        try:
            async for message in line:
                told = _told(message.data) if message.type is aiohttp.WSMsgType.TEXT else {}
                match told.get("type"):
                    case "hello":
                        log.info("Slack's socket is open")
                    case "disconnect":
                        return f"Slack asks for a new one ({told.get('reason')})"
                    case _ if told.get("envelope_id"):
                        in_hand.add(task := asyncio.create_task(self._answer(line, told, take)))
                        task.add_done_callback(partial(_ended, in_hand))
                if len(in_hand) >= AT_ONCE:
                    await asyncio.wait(in_hand, return_when=asyncio.FIRST_COMPLETED)
            return f"closed with {line.close_code}"
        finally:
            _, late = await asyncio.wait(in_hand, timeout=LEAVE_SECONDS) if in_hand else ((), ())
            for task in late:
                task.cancel()
            await line.close()

    async def _answer(self, line: "aiohttp.ClientWebSocketResponse", told: Mapping[str, Any], take: Take) -> None:
        """Acknowledges what is kept. What is not, Slack shows the person as an error, and may send again."""
        if await take(NAME, self._presses(told)):
            try:
                await line.send_str(json.dumps({"envelope_id": told["envelope_id"]}))
            except (OSError, RuntimeError) as error:  # the line has ended meanwhile: a repeat does nothing
                log.info("a press could not be acknowledged", extra={"error": type(error).__name__})

    def _presses(self, told: Mapping[str, Any]) -> Sequence[Press]:
        """None in what makes no sense: to hear it again would not help."""
        try:
            return self._interactions.read(told.get("payload")) if told.get("type") == "interactive" else ()
        except BadDelivery as error:
            log.warning("a message of Slack's socket makes no sense", extra={"error": str(error)})
            return ()


def _ended(in_hand: set[asyncio.Task[None]], task: asyncio.Task[None]) -> None:
    in_hand.discard(task)
    if not task.cancelled() and (error := task.exception()):
        log.error("a message of Slack's socket stumbled", exc_info=error)


def _told(text: str) -> Mapping[str, Any]:
    """The message; nothing where it makes no sense."""
    try:
        return an_object(json.loads(text), "message")
    except (ValueError, RecursionError, BadDelivery):
        log.warning("a message of Slack's socket is no JSON object")
        return {}
