"""Documents as Markdown. What is missing carries the mark that `evidence.markdown` counts."""

from __future__ import annotations

from collections.abc import Iterator

from shipworthy.evidence.documents.content import Block, Paragraph, Points
from shipworthy.evidence.documents.document import Chapter, Document
from shipworthy.evidence.documents.filling import Entry
from shipworthy.evidence.documents.fitting import fitted
from shipworthy.evidence.markdown import missing, table
from shipworthy.present import verdicts
from shipworthy.present.safe import markdown


def to_markdown(document: Document) -> str:
    """The document as Markdown: headings, paragraphs, lists and tables; nothing from outside becomes markup."""
    mark = verdicts.decision_mark(document.fit)
    locked = "locked before the run" if document.locked_at else "not locked before the run"
    lines = [
        f"# {markdown(document.shape.title)}: {markdown(document.system)} {markdown(document.version)}",
        "",
        f"{mark.shape} **{markdown(document.headline)}**",
        "",
        f"Made {document.made:%Y-%m-%d} from run {markdown(document.run)}; "
        f"plan {markdown(document.plan_digest)}, {locked}.",
        "",
        f"Completeness: {markdown(document.score)}.",
        "",
        *(
            line
            for where, digest in document.withheld
            for line in (f"Withheld: {markdown(where)}, {markdown(digest)}", "")
        ),
    ]
    for chapter in fitted(document):
        lines += _chapter(chapter)
    return "\n".join([*lines, f"Digest of this document: {document.digest}", ""])


def _chapter(chapter: Chapter) -> Iterator[str]:
    yield f"{'###' if chapter.is_part else '##'} {markdown(chapter.section.number)} {markdown(chapter.section.title)}"
    yield ""
    for entry in chapter.entries:
        yield from _entry(entry)


def _entry(entry: Entry) -> Iterator[str]:
    field = entry.field
    title = f"**{markdown(field.title)}.**"
    if entry.state == "missing":
        why = f" ({markdown(entry.note)})" if entry.note else ""
        yield f"{title} {missing(f'{field.question} Asked of: {field.role}')}{why}"
    elif entry.state == "withheld":
        yield f"{title} ▒ Withheld: {markdown(entry.note)}. Digest of what is withheld: {markdown(entry.digest)}"
    elif entry.state == "not applicable":
        held = f" Digest of it: {markdown(entry.digest)}" if entry.digest else ""
        yield f"{title} Not applicable: {markdown(entry.note)}{held}{_signed(entry)}"
    else:
        first, *rest = entry.content
        if isinstance(first, Paragraph):
            yield f"{title} {markdown(first.text)}"
        else:
            rest = list(entry.content)
            yield title
        for block in rest:
            yield ""
            yield from _block(block)
        if signed := _signed(entry):
            yield ""
            yield signed.strip()
    yield ""


def _signed(entry: Entry) -> str:
    if not (entry.by or entry.at):
        return ""
    said = ", ".join(markdown(part, 120) for part in (entry.by, entry.at) if part)
    return f" *Answered: {said}.*"


def _block(block: Block) -> Iterator[str]:
    if isinstance(block, Paragraph):
        yield markdown(block.text)
    elif isinstance(block, Points):
        yield from (f"- {markdown(item)}" for item in block.items)
        if block.more:
            yield f"- and {block.more:,} more."
    else:
        rows = [[markdown(cell) for cell in row] for row in block.rows]
        yield from table([markdown(cell) for cell in block.header], rows, right=block.right)
        if block.more:
            yield ""
            yield f"{block.more:,} further rows are not shown here."
