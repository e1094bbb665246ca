"""Entry points of real, installed-looking packages: a folder with a module and its dist-info on the path."""

import subprocess
import sys
from pathlib import Path

import pytest

from shipworthy import registry
from shipworthy.errors import Unusable


@pytest.fixture
def install(tmp_path, monkeypatch):
    def put(package: str, points: dict[str, str], code: str = "") -> None:
        site = tmp_path / package
        info = site / f"{package}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        lines = [f"{name} = {value}" for name, value in points.items()]
        (info / "entry_points.txt").write_text("[shipworthy.exporters]\n" + "\n".join(lines) + "\n")
        (site / f"{package}.py").write_text(code)
        monkeypatch.syspath_prepend(site)
        monkeypatch.delitem(sys.modules, package, raising=False)

    return put


def test_load_imports_only_what_was_asked_for(install):
    install("stranger_one", {"one": "stranger_one:VALUE"}, "VALUE = 41")
    install("stranger_two", {"two": "stranger_two:VALUE"}, "raise RuntimeError('not asked for')")
    assert registry.load("exporters", "one") == 41
    assert "stranger_two" not in sys.modules
    assert {"one", "two"} <= set(registry.names("exporters"))
    assert registry.owners("exporters", "two") == ("stranger_two",)


def test_two_owners_validates_input(install):
    install("alpha_pack", {"same": "alpha_pack:V"}, "V = 1")
    install("beta_pack", {"same": "beta_pack:V"}, "V = 2")
    with pytest.raises(Unusable) as caught:
        registry.load("exporters", "same", where="plan.yaml:3")
    (fault,) = caught.value.faults
    assert fault.code == "REG002"
    assert "alpha_pack and beta_pack" in fault.what
    assert fault.where == "plan.yaml:3"


def test_unknown_name_validates_input(install):
    install("gamma_pack", {"confetti": "gamma_pack:V"}, "V = 1")
    with pytest.raises(Unusable) as caught:
        registry.load("exporters", "confeti")
    (fault,) = caught.value.faults
    assert fault.code == "REG001"
    assert 'did you mean "confetti"?' in fault.mend
    with pytest.raises(Unusable) as caught:
        registry.load("exporters", "zzzzzz")
    assert "did you mean" not in caught.value.faults[0].mend
    assert "confetti" in caught.value.faults[0].mend


def test_broken_extension_validates_input(install):
    install("delta_pack", {"broken": "delta_pack:V"}, "raise ImportError('no such thing')")
    with pytest.raises(Unusable) as caught:
        registry.load("exporters", "broken")
    (fault,) = caught.value.faults
    assert fault.code == "REG003"
    assert "no such thing" in fault.what
    assert fault.where == "delta_pack:V"


@pytest.mark.parametrize("kind", registry.KINDS)
def test_every_registered_name_loads(kind):
    ours = [name for name in registry.names(kind) if registry.owners(kind, name) == ("shipworthy",)]
    for name in ours:
        assert registry.load(kind, name) is not None


def test_built_in_subjects_come_by_the_strangers_door():
    ours = {name for name in registry.names("subjects") if registry.owners("subjects", name) == ("shipworthy",)}
    predictive, generative = (
        {"python", "sklearn", "onnx", "http"},
        {"chat", "app", "function", "huggingface", "simulated"},
    )
    assert ours == predictive | generative


def test_import_is_light():
    code = "import sys, shipworthy.registry; print([m for m in sys.modules if m in {'importlib.metadata', 'numpy'}])"
    ran = subprocess.run(
        [sys.executable, "-S", "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={
            "PYTHONPATH": str(Path(registry.__file__).parents[1]),
        },
    )
    assert ran.stdout.strip() == "[]", ran.stderr
