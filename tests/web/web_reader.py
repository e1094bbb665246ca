"""Reads a page as a browser would, and says what is wrong with it."""

from __future__ import annotations

from html.parser import HTMLParser

_FORBIDDEN = {"script", "img", "iframe", "object", "embed", "style", "base", "video", "audio"}
_VOID = {"meta", "link", "input", "br", "col", "path", "circle", "line", "rect", "img"}


class Page(HTMLParser):
    """What a page holds: its links, and every mistake in it."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.links: list[str] = []
        self.wrong: list[str] = []
        self.counts: dict[str, int] = {}
        self.ids: list[str] = []
        self.labelled: list[str] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self._rows: list[int] = []
        self.feed(text)
        self.close()
        if self._open:
            self.wrong.append(f"not closed: {self._open}")
        for tag in ("h1", "main", "title", "header", "footer"):
            if self.counts.get(tag) != 1:
                self.wrong.append(f"{self.counts.get(tag, 0)} of {tag}")
        if len(set(self.ids)) < len(self.ids):
            self.wrong.append(f"ids stand twice: {self.ids}")
        self.wrong += [f"labelled by {name!r}, which is not there" for name in self.labelled if name not in self.ids]

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.counts[tag] = self.counts.get(tag, 0) + 1
        if tag not in _VOID:
            self._open.append(tag)
        if tag in _FORBIDDEN:
            self.wrong.append(f"a <{tag}>")
        if strange := [name for name in given if name.startswith("on") or name == "style" or "<" in name]:
            self.wrong.append(f"attributes {strange}")
        if "id" in given:
            self.ids.append(given["id"])
        if "aria-labelledby" in given:
            self.labelled.append(given["aria-labelledby"])
        if tag == "a":
            self.links.append(given["href"])
            if not given["href"].startswith(("/", "#")) or given["href"].startswith("//"):
                self.wrong.append(f"a link to {given['href']!r}")
        if tag == "th" and given.get("scope") not in ("col", "row", "rowgroup"):
            self.wrong.append("a header cell without its scope")
        if (
            tag in ("input", "select")
            and given.get("type") != "hidden"
            and "label" not in self._open
            and "id" not in given
        ):
            self.wrong.append(f"a {tag} without a label")
        if tag == "svg" and not ({"aria-label", "aria-hidden"} & set(given)) and "svg" not in self._open[:-1]:
            self.wrong.append("a picture without words")
        if tag == "html" and given.get("lang") != "en":
            self.wrong.append("no language")

    def handle_endtag(self, tag):
        if tag in _VOID:
            return
        if not self._open or self._open[-1] != tag:
            self.wrong.append(f"</{tag}> closes {self._open[-1:]}")
        while self._open and self._open.pop() != tag:
            pass

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self._open.pop()

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())
