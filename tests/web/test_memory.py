"""What pages remember is what they would find out: whatever may change it is looked at each time."""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import event
from web_story import NOW, TODAY

from shipworthy.api import pages, registers
from shipworthy.api.pages import Library, fit, memory
from shipworthy.api.pages.ahead import Ahead
from shipworthy.api.pages.portfolio import _rows
from shipworthy.api.recording import open_record
from shipworthy.record.documents import Rating, Risk, Version

NAME, OTHER = "lending-decisions", ".."


@pytest.fixture
def project(place, tmp_path, monkeypatch):
    """A copy of the project, its record, and how often a standing was worked out."""
    monkeypatch.setattr(memory, "_SETTLED_NS", -(10**18))  # its files were written just now
    shutil.copytree(place.parents[1], tmp_path / "copy")
    where, times = tmp_path / "copy" / ".shipworthy" / "record.db", []
    real = fit.standing
    monkeypatch.setattr(fit, "standing", lambda *given: (times.append(1), real(*given))[1])
    with open_record(where) as record:
        yield Library(record=record, place=where), times


def looked(project, *, now=NOW) -> tuple[str, bool]:
    """Whether the system is fit, and whether that was found out anew; what is remembered is what is found out."""
    library, times = project
    before = len(times)
    found = pages.system_page(library, NAME, now=now)
    is_new = len(times) > before
    alone = Library(record=library.record, place=library.place)
    assert found == pages.system_page(alone, NAME, now=now)
    assert [one for one in pages.portfolio(library, now=now).systems if one.name == NAME] == [
        one for one in pages.portfolio(alone, now=now).systems if one.name == NAME
    ]
    return found.fit.fit, is_new


def risk(system):
    rating = Rating(likelihood=1, severity=1, basis="judged")
    return Risk(id=f"new of {system}", system=system, title="t", cause="c", harm="h", inherent=rating)


def test_a_standing_is_worked_out_once(project):
    assert [looked(project)[1] for _ in range(3)] == [True, False, False]
    library, times = project
    count = len(times)
    pages.portfolio(library, now=NOW)
    assert len(times) == count


def test_a_change_of_the_record_counts_for_its_system_alone(project):
    library, _ = project
    looked(project)
    library.record.write("tool:test", NOW, risk(OTHER))
    assert not looked(project)[1]
    library.record.write("tool:test", NOW, risk(NAME))
    assert looked(project)[1]
    assert not looked(project)[1]
    released = Version(id=f"{NAME} 2026.11", system=NAME, version="2026.11", status="released", released=NOW)
    library.record.write("tool:test", NOW, released)
    assert looked(project)[1]


def test_a_person_who_is_erased_counts_for_all(project):
    library, _ = project
    looked(project)
    library.record.erase("tool:test", NOW, library.record.person("bea@example.org", "Bea Okafor"))
    assert looked(project)[1]


def test_another_day_counts(project):
    looked(project)
    assert looked(project, now=NOW + timedelta(days=1))[1]


def _rewrite(path):
    """Another byte, with the times that it had: only the file system can tell."""
    said, data = path.stat(), path.read_bytes()
    path.write_bytes(data[:-1] + b" ")
    os.utime(path, ns=(said.st_atime_ns, said.st_mtime_ns))


@pytest.mark.parametrize(
    "change",
    [
        lambda root: _rewrite(root / "runs" / "2026.11" / "report.html"),
        lambda root: (root / "runs" / "2026.11" / "report.html").unlink(),
        lambda root: (root / "runs" / "2026.11" / "observations" / "more").write_text("x"),
        lambda root: (root / "plan.yaml").write_text((root / "plan.yaml").read_text().replace("0.05", "0.06")),
        lambda root: (root / "plan.yaml").unlink(),
        lambda root: shutil.rmtree(root / "runs" / "2026.11"),
    ],
    ids=["rewritten", "gone", "added", "plan", "no plan", "no folder"],
)
def test_a_changed_file_counts(project, change):
    library, _ = project
    looked(project)
    before = pages.system_page(library, NAME, now=NOW).fit
    change(library.root)
    assert looked(project)[1]
    assert pages.system_page(library, NAME, now=NOW).fit != before
    assert not looked(project)[1]


def test_what_was_written_just_now_is_not_remembered(project, monkeypatch):
    monkeypatch.setattr(memory, "_SETTLED_NS", 10**18)
    assert [looked(project)[1] for _ in range(2)] == [True, True]


def test_what_a_plan_does_not_name_is_not_remembered(project):
    library, _ = project
    plan = library.root / "plan.yaml"
    (library.root / "pack.yaml").write_text("pack: ours\nrequirements: []\n")
    plan.write_text("extends: [pack.yaml]\n" + plan.read_text())
    assert [looked(project)[1] for _ in range(2)] == [True, True]


def test_what_rests_on_no_file_is_found_out_once(project, monkeypatch):
    monkeypatch.undo()  # files count as settled, or not, as in use
    library, _ = project
    asked = list[list[str]]()

    def find(names):
        asked.append(names)
        return {one: one.upper() for one in names}

    def recalled(names, today=TODAY):
        seq = library.memory.look(library.record)
        return library.memory.recall_all(names, "row", seq=seq, today=today, find=find)

    assert recalled(["a", NAME]) == recalled(["a", NAME]) == {"a": "A", NAME: NAME.upper()}
    assert recalled([NAME, "b"]) == {NAME: NAME.upper(), "b": "B"}
    library.record.write("tool:test", NOW, risk(NAME))
    recalled(["a", NAME, "b"])
    recalled(["a"], TODAY + timedelta(days=1))
    assert asked == [["a", NAME], ["b"], [NAME], ["a"]]


def test_memory_is_bounded(project, monkeypatch):
    library, _ = project
    monkeypatch.setattr(memory, "MOST", 3)
    for i in range(9):
        library.memory.recall(f"s{i}", "x", seq=library.memory.look(library.record), today=TODAY, find=lambda: (1, ()))
    assert len(library.memory._known) == 3


def test_a_change_meanwhile_is_not_missed(project):
    """The record is written to while a page is made: what was found before is given, and not kept."""
    library, _ = project
    seq = library.memory.look(library.record)

    def find():
        library.record.write("tool:test", NOW, risk(NAME))
        library.memory.look(library.record)  # another page
        return "old", ()

    assert library.memory.recall(NAME, "x", seq=seq, today=TODAY, find=find) == "old"
    seq = library.memory.look(library.record)
    assert library.memory.recall(NAME, "x", seq=seq, today=TODAY, find=lambda: ("new", ())) == "new"


def test_a_page_of_an_older_state_forgets_nothing(project):
    """A page that takes long reads one state of the record; another thread has looked at a newer one meanwhile."""
    library, times = project
    with library.record.one_state():
        old = library.memory.look(library.record)
        library.record.write("tool:test", NOW, risk(NAME))
        with ThreadPoolExecutor(1) as other:
            other.submit(pages.system_page, library, NAME, now=NOW).result()
            assert library.memory._seq == other.submit(library.record.size).result() > old
        count = len(times)
        assert library.memory.look(library.record) == old
        assert library.memory.recall("x", "x", seq=old, today=TODAY, find=lambda: ("old", ())) == "old"
    assert not looked(project)[1]
    assert len(times) > count  # by `looked`, which compares with what nobody has remembered
    seq = library.memory.look(library.record)
    assert library.memory.recall("x", "x", seq=seq, today=TODAY, find=lambda: ("new", ())) == "new"


def test_a_record_that_was_put_back_is_looked_at_anew(project, monkeypatch):
    library, _ = project
    looked(project)
    monkeypatch.setattr(type(library.record), "size", lambda record, *, anew=False: 1)
    assert library.memory.look(library.record) == 1
    assert not library.memory._known


def test_lines_of_many_systems_are_found_out_with_as_few_questions_as_those_of_one(project):
    library, _ = project

    def questions(names):
        told = []

        def count(*given):
            told.append(given[2])

        systems = [library.record.get("system", one).document for one in names]
        event.listen(library.record._engine, "before_cursor_execute", count)
        rows = _rows(library.record, systems, TODAY, names)
        event.remove(library.record._engine, "before_cursor_execute", count)
        return rows, len([one for one in told if one.startswith("SELECT")])

    names = [one.id for one in library.record.find("system")]
    together, count = questions(names)
    assert len(names) > 2
    assert list(together) == names
    assert together == {one: questions([one])[0][one] for one in names}
    assert count == questions([NAME])[1] < 10


def test_a_signature_tells_what_is_below_a_folder(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "one").write_text("1")
    before = memory.signature([tmp_path, tmp_path / "none"])
    assert before == memory.signature([tmp_path, tmp_path / "none"])
    (tmp_path / "none").write_text("")
    assert memory.signature([tmp_path / "none"]) != (None,)
    (tmp_path / "a" / "one").write_text("2")
    assert memory.signature([tmp_path, tmp_path / "none"]) != before
    (tmp_path / "link").symlink_to(tmp_path / "a")
    assert memory.signature([tmp_path]) is None  # where it leads is not looked at
    assert memory.signature([tmp_path / "link"]) is None


def test_what_is_found_out_ahead_is_what_a_visitor_is_shown(project):
    library, times = project
    assert Ahead(library, lambda: NOW).round() == len(library.record.find("system"))
    ahead = len(times)
    assert ahead > 0
    assert looked(project)[1] is False
    assert Ahead(library, lambda: NOW).round()
    assert len([one for one in times if one]) > ahead  # by `looked`, which compares with what nobody has remembered


def test_what_cannot_be_looked_at_ahead_stops_nobody(project, monkeypatch):
    library, times = project
    monkeypatch.setattr("shipworthy.api.pages.ahead.rows_of", lambda *given, **named: 1 / 0)
    with pytest.raises(ZeroDivisionError):  # a fault of ours is not hidden
        Ahead(library, lambda: NOW).round()

    def absent(*given, **named):
        raise OSError("the disk is away")

    monkeypatch.setattr("shipworthy.api.pages.ahead.rows_of", absent)
    assert Ahead(library, lambda: NOW).round() == len(library.record.find("system"))
    assert times == []
    with Ahead(library, lambda: NOW) as ahead:
        pass
    assert not ahead._thread.is_alive()


def test_what_runs_measured_is_read_once(project, monkeypatch):
    library, _ = project
    first, asked = registers.coverage_page(library), []
    real = library.record.verdicts_of
    monkeypatch.setattr(library.record, "verdicts_of", lambda *digests: (asked.extend(digests), real(*digests))[1])
    assert registers.coverage_page(library) == first
    assert asked == []
    assert any(one.covered for one in first.catalogues)
    assert registers.coverage_page(Library(record=library.record, place=library.place)) == first
    assert asked != []
