import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipworthy.catalogues.catalogue import UnknownControl, all_catalogues
from shipworthy.catalogues.finding import find, is_own


def fault_of(ref: str):
    with pytest.raises(UnknownControl) as caught:
        find(ref, where="plan.yaml:7:3")
    (fault,) = caught.value.faults
    assert fault.where == "plan.yaml:7:3"
    assert fault.mend
    return fault


def test_every_control_is_found_by_its_full_id() -> None:
    for one in all_catalogues():
        for control in one.controls.values():
            assert find(control.ref) is control
            assert not is_own(control.ref)


def test_an_ambiguous_id_says_which_editions_it_could_mean() -> None:
    fault = fault_of("LLM03")
    assert fault.code == "CATALOGUE004"
    assert fault.mend == "write which: owasp-llm@2025:LLM03 (Supply Chain); owasp-llm@2026:LLM03 (Excessive Agency)"


def test_a_bare_id_of_one_catalogue_will_do() -> None:
    assert find("MEASURE-2.11").ref == "nist-ai-rmf@1.0:MEASURE-2.11"
    assert find("AML.T0051.001").ref == "atlas@2026.09:AML.T0051.001"


@pytest.mark.parametrize(
    ("ref", "now"), [("AML.T0019", "AML.T0115.000"), ("AML.T0058", "AML.T0115.001"), ("AML.T0104", "AML.T0115.002")]
)
@pytest.mark.parametrize("prefix", ["", "atlas@2026.09:"])
def test_a_retired_id_says_what_replaced_it(prefix: str, ref: str, now: str) -> None:
    fault = fault_of(prefix + ref)
    assert fault.code == "CATALOGUE005"
    assert "2026.07" in fault.what
    assert fault.mend.endswith(f"atlas@2026.09:{now}")


@pytest.mark.parametrize(
    ("ref", "code", "near"),
    [
        ("nist-ai-rmf@1.0:MEASURE-2.14", "CATALOGUE003", "nist-ai-rmf@1.0:MEASURE-2.1"),
        ("nist-ai-rmf@1.0:MANAGE-3.3", "CATALOGUE003", "nist-ai-rmf@1.0:MANAGE-3.2"),
        ("nist-ai-rmf@1.0:measure 2.11", "CATALOGUE001", "nist-ai-rmf"),
        ("nist-ai-rmf@1.0:measure-2.11", "CATALOGUE003", "mean nist-ai-rmf@1.0:MEASURE-2.11?"),
        ("eu-ai-act@2024/1689:art-10(2)(f)", "CATALOGUE003", "mean eu-ai-act@2024/1689:art-10.2.f?"),
        ("eu-ai-act@2024/1689:art-53", "CATALOGUE003", "x-acme@1"),
        ("owasp-llm@2023:LLM03", "CATALOGUE002", "editions: 2025, 2026"),
        ("nist-ai-rfm@1.0:MAP-1.1", "CATALOGUE002", "'nist-ai-rmf'"),
        ("MEASURE 2.11", "CATALOGUE001", "mean nist-ai-rmf@1.0:MEASURE-2.11?"),
        ("", "CATALOGUE001", "framework@edition:id"),
        ("x-acme@1:A", "CATALOGUE002", "plans may name it"),
    ],
)
def test_an_unknown_id_says_what_was_meant(ref: str, code: str, near: str) -> None:
    fault = fault_of(ref)
    assert fault.code == code
    assert near in fault.mend


@pytest.mark.parametrize(
    ("ref", "own"),
    [
        ("x@1:y", True),
        ("x-acme@2026:A-3", True),
        ("xacme@1:a", False),
        ("x-@1:a", False),
        ("x-a", False),
        ("X-a@1:b", False),
    ],
)
def test_ids_of_ones_own_start_with_x(ref: str, own: bool) -> None:
    assert is_own(ref) is own


@given(st.text(max_size=300) | st.from_regex(r"(nist-ai-rmf@1\.0|atlas@2026\.09|x-a@1):.{0,200}", fullmatch=True))
def test_hostile_ids_properties(ref: str) -> None:
    try:
        control = find(ref)
    except UnknownControl as error:
        (fault,) = error.faults
        assert fault.code in {f"CATALOGUE00{n}" for n in range(1, 6)}
        assert len(fault.what) < 1_500
        assert all(char.isprintable() for char in fault.what)
    else:
        assert ref in (control.ref, control.id)
