"""The page with the threads shows what stands in Slack."""

from tests.notifiers.threads import PAGE, page


async def test_the_page_shows_what_people_read() -> None:
    assert await page() == PAGE.read_text(), "docs/reference/threads.md is stale: python -m tests.notifiers.threads"
