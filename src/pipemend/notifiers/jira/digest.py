"""The issue about a storm, in Jira's form."""

from collections.abc import Mapping, Sequence

from pipemend.core.events import StormEnded, StormEscalated
from pipemend.core.ports import Digest
from pipemend.notifiers import digests, phrases
from pipemend.notifiers.jira.document import Node, document, heading, lines, link, panel, paragraph, strong, text
from pipemend.notifiers.jira.messages import SUMMARY, Telling


def content(digest: Digest) -> Mapping[str, str | Node]:
    """Summary and description, which grow with the storm."""
    storm = digest.storm
    blocks = (
        heading(digests.header(storm), level=2),
        panel("info", lines(f"{name}: {phrases.one_line(value) or '-'}" for name, value in digests.facts(storm))),
        heading("Pipelines"),
        paragraph(text(digests.pipelines(storm), limit=2000)),
        paragraph(text(digests.status(digest), limit=600)),
        *_dashboard(digest),
    )
    return {"summary": phrases.cut(digests.title(storm), SUMMARY), "description": document(*blocks)}


def telling(digest: Digest) -> Telling:
    """What is said below it: an edit is easily overlooked."""
    said = digests.bell(digest)
    if said is None:
        return Telling(opens=True, describes=True)
    if isinstance(digest.event, StormEnded):
        return Telling(opens=True, describes=True, comment=[paragraph(text(said, limit=600))], closes=True)
    frame = panel(
        "error" if isinstance(digest.event, StormEscalated) else "info",
        paragraph(strong(said)),
        paragraph(text(f"People needed for: {digests.left(digest.storm)}", limit=2000)),
        paragraph(text(f"🔴 Action Required: {digests.ACTION}")),
    )
    return Telling(opens=True, describes=True, comment=[frame, *_dashboard(digest)])


def _dashboard(digest: Digest) -> Sequence[Node]:
    return [paragraph(link("View in Dashboard", digest.link))] if digest.link else []
