"""What is not documented does not exist."""

import re
from pathlib import Path

from tests.web.world import World

PAGE = Path(__file__).parents[2] / "docs/reference/api.md"


async def test_the_page_names_every_address_of_the_api_and_no_other(small_world: World):
    told = set(re.findall(r"`(GET|POST|DELETE) (/[^`?]*)`", PAGE.read_text()))
    served = {
        (method.upper(), path) for path, methods in small_world.app.openapi()["paths"].items() for method in methods
    }

    doors = {
        ("POST", path)
        for path in ("/azure-monitor", "/databricks-monitor", "/slack/interactions", "/webhook/jira", "/jira-webhook")
    }
    assert told - doors - {("GET", "/openapi.json")} == served
