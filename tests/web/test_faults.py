"""Every fault that the checks of an act can raise stands beside a field, or is of the whole form by intention."""

from __future__ import annotations

import ast
import dis
import inspect
import re
import textwrap
from types import CodeType, FunctionType, ModuleType

import pytest

from shipworthy.errors import Fault
from shipworthy.web.app import ACTS
from shipworthy.web.forms.faults import field_of, in_words
from shipworthy.web.forms.fields import Field

# Of no field, and why.
WHOLE = {
    "GOVERN001": "who acts is said by the server, not by the form",
    "GOVERN007": "the waiver has been answered meanwhile",
    "GOVERN010": "a page signs without a key",
    "GOVERN012": "a page signs without a key",
    "GOVERN008": "the run has changed since it was made",
    "RISK004": "nothing was changed, or the risk is not in a state for it",
    "RISK007": "the mitigation names no requirement, or was abandoned",
    "RISK010": "the incident is not settled yet",
    "WEB024": "",  # raised by forms, which name the field
    "WEB026": "the run cannot be looked at",
}
BELOW = ("shipworthy.api.", "shipworthy.catalogues.finding", "shipworthy.web.forms.")
# Not of what a person fills in: looking at a run again, keys, and what no page names.
ASIDE = {
    "shipworthy.api.changes", "shipworthy.api.standing", "shipworthy.api.keys", "shipworthy.api.pages",
    "shipworthy.api.recording",
}  # fmt: skip


def reached(start):
    """The functions of the layers below that a function calls, and theirs."""
    found, waiting = {}, [start]
    while waiting:
        one = waiting.pop()
        if one in found:
            continue
        names, attributes = named(one.__code__, "GLOBAL"), named(one.__code__, "ATTR", "METHOD")
        found[one] = names
        for name in names:
            value = one.__globals__.get(name)
            inside = [getattr(value, each, None) for each in attributes] if isinstance(value, ModuleType) else [value]
            waiting += [
                each for each in inside
                if isinstance(each, FunctionType) and is_below(each.__module__)
            ]  # fmt: skip
    return list(found)


def is_below(module):
    return module.startswith(BELOW) and not any(module == one or module.startswith(f"{one}.") for one in ASIDE)


def named(code, *ways):
    """What a function and those inside of it load by name, in these ways."""
    own = {
        one.argval for one in dis.get_instructions(code) if one.opname.startswith("LOAD_") and one.opname.endswith(ways)
    }
    return own.union(*(named(one, *ways) for one in code.co_consts if isinstance(one, CodeType)))


def raised(function):
    """Each fault that a function makes: its code, and the place that it names; None where that is not written there."""
    if function.__name__ == "<lambda>":
        return
    for call in ast.walk(tree(function)):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "Fault":
            said = {one.arg: one.value for one in call.keywords}
            if isinstance(said["code"], ast.Constant):
                where = said.get("where", ast.Constant(value=""))
                yield said["code"].value, where.value if isinstance(where, ast.Constant) else None


def tree(function):
    return ast.parse(textwrap.dedent(inspect.getsource(function)))


def options(functions):
    """The options that functions name, one of which may be the place of a fault."""
    texts = (one.value for each in functions if each.__name__ != "<lambda>" for one in ast.walk(tree(each))
             if isinstance(one, ast.Constant))  # fmt: skip
    return {one for one in texts if isinstance(one, str) and re.fullmatch("--[a-z]+", one)}


def test_the_walk_finds_what_is_raised():
    verify, sign = (next(one for one in ACTS if one.name == name) for name in ("mitigation-verify", "sign"))
    assert {code for one in reached(verify.do) for code, _ in raised(one)} >= {"RISK007", "GOVERN002"}
    assert options(reached(sign.do)) >= {"--role", "--condition", "--due", "--reason", "--outcome"}


@pytest.mark.parametrize("act", ACTS, ids=lambda one: one.name)
def test_every_fault_is_of_a_field_or_of_the_whole_form_by_intention(act):
    subject = {"risk": "RISK001", "mitigation": "RISK001", "incident": "RISK001"}.get(act.about, "GOVERN002")
    functions = reached(act.do)
    for function in functions:
        for code, where in raised(function):
            places = options(functions) if where is None else {where}
            is_beside = any(field_of(act.fields, Fault(code=code, what="", where=one)) for one in places | {""})
            # That the subject of the form is not there was told before there was a form.
            is_told_before = code == subject and act.about != "nothing"
            assert is_beside or code in WHOLE or is_told_before, f"{act.name}: {code}, of {function.__qualname__}"
    for one in options(functions) - {"--key"}:  # keys stay with people
        assert field_of(act.fields, Fault(code="", what="", where=one)), f"{act.name}: {one}"


def test_the_command_line_is_told_in_words_of_the_pages():
    fields = (
        Field(name="ends", label="The last day"),
        Field(name="risks", label="Risks that it is against", also=("risk",)),
    )
    for said, told in (
        ("`shipworthy risk list` shows them", "“Risks” shows them"),
        ("`shipworthy incident update` says so before", "“Change” says so before"),
        ("`shipworthy catalogues atlas@2026.09` lists them all", "“Catalogues” lists them all"),
        ("bring `ends` nearer, or name --risk", "bring “The last day” nearer, or name “Risks that it is against”"),
        ("`later` is before --due", "later is before --due"),
    ):
        assert in_words(fields, said) == told
