"""The conformance kit: a good subject passes, and each broken promise is told."""

import numpy as np
import pyarrow as pa
import pytest

from shipworthy.errors import SubjectError
from shipworthy.exchange import Answer, Case
from shipworthy.subjects.assistants import Request
from shipworthy.testing import check_assistant, check_subject

ROWS = pa.table({"x": [3.0, 1.0, 2.0, 5.0, 4.0]})


class Good:
    name = "good"

    def predict(self, rows: pa.Table) -> pa.Table:
        return pa.table({"prediction": rows["x"]})

    def describe(self) -> dict[str, str]:
        return {"kind": "test"}


class Nameless(Good):
    name = ""


class Undescribed(Good):
    def describe(self):
        return {"kind": 3}


class Random(Good):
    def __init__(self):
        self.rng = np.random.default_rng(0)

    def predict(self, rows):
        return pa.table({"score": self.rng.random(rows.num_rows)})


class Ranking(Good):  # depends on the rows beside it
    def predict(self, rows):
        return pa.table({"prediction": np.argsort(np.argsort(rows["x"].to_numpy()))})


class Copying(Good):  # gives all rows the answer of the first
    def predict(self, rows):
        return pa.table({"prediction": np.full(rows.num_rows, rows["x"][0].as_py() > 2)})


class FirstFirst(Good):  # only the first row counts for anything
    def predict(self, rows):
        first = rows["x"][0].as_py()
        return pa.table({"prediction": [first] + [1.0] * (rows.num_rows - 1)})


class Short(Good):
    def predict(self, rows):
        return super().predict(rows).slice(1)


class Overwriting(Good):
    def predict(self, rows):
        address = rows["x"].chunk(0).buffers()[1].address
        import ctypes

        ctypes.memset(address, 0, 8)
        return super().predict(rows)


def test_a_good_subject_passes():
    check_subject(Good(), ROWS)


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        (Nameless, "its name is no text"),
        (Undescribed, "describe()"),
        (Random, "the second time"),
        (Ranking, "depends on the rows beside it"),
        (Copying, "depends on the rows beside it"),
        (FirstFirst, "do not follow the order"),
        (Short, "SUBJ007"),
        (Overwriting, "changed the rows"),
    ],
)
def test_a_broken_promise_is_told(broken, told):
    rows = pa.table({"x": np.array([3.0, 1.0, 2.0, 5.0, 4.0])})
    with pytest.raises(SubjectError) as caught:
        check_subject(broken(), rows)
    assert [fault.code for fault in caught.value.faults] == ["SUBJ015"]
    assert told in caught.value.faults[0].what


def test_too_few_rows_validates_input():
    with pytest.raises(ValueError, match="at least 4"):
        check_subject(Good(), ROWS.slice(0, 3))


CASES = [Case(id="a", turns=("x",), system="s"), Case(id="b", turns=("y", "z"))]


class Callable:
    name = "callable"

    def ask(self, case, conversation, *, trial, session):
        return Answer(status="ok", text=conversation[-1].content)

    def describe(self) -> dict[str, str]:
        return {"kind": "test"}


class Async(Callable):
    async def ask(self, case, conversation, *, trial, session):
        return Answer(status="ok", text="x")


class Texting(Callable):
    def ask(self, case, conversation, *, trial, session):
        return "x"


class Misnaming(Callable):
    def ask(self, case, conversation, *, trial, session):
        return Answer(status="fine")


class Eating(Callable):
    def ask(self, case, conversation, *, trial, session):
        conversation.clear()
        return Answer(status="empty")


class Unnamed(Callable):
    name = ""


class Mute(Callable):
    def describe(self):
        return {"kind": 3}


class Holding:  # holds back everything until the end
    def __init__(self):
        self.held = b""

    def feed(self, chunk):
        self.held += chunk
        return False

    def finish(self):
        return Answer(status="ok" if self.held else "empty", text=self.held.decode("utf-8", "replace"))


class Asked:
    name = "asked"

    def request(self, case, conversation, *, trial, session):
        return Request(url="http://x", body=conversation[-1].content.encode(), secrets=("hush",))

    def reader(self):
        return Holding()

    def describe(self) -> dict[str, str]:
        return {"kind": "test"}


class Telling(Asked):
    def describe(self):
        return {"kind": "test", "key": "hush"}


class Fickle(Asked):
    asked = 0

    def request(self, case, conversation, *, trial, session):
        self.asked += 1
        return Request(url="http://x", body=str(self.asked).encode())


class Bodiless(Asked):
    def request(self, case, conversation, *, trial, session):
        return Request(url="http://x", body="text")


class Consuming(Asked):
    def request(self, case, conversation, *, trial, session):
        return Request(url="http://x", body=str(conversation and conversation.pop(0) and "").encode())


class Trusting(Asked):
    class Decoding(Holding):
        def finish(self):
            return Answer(status="ok", text=self.held.decode())

    def reader(self):
        return self.Decoding()


class Hasty(Asked):
    class Decoding(Holding):
        text = ""

        def feed(self, chunk):
            self.text += chunk.decode("utf-8", "replace") + "|"
            return True

        def finish(self):
            return Answer(status="ok", text=self.text)

    def reader(self):
        return self.Decoding()


@pytest.mark.parametrize("good", [Callable, Async, Asked])
def test_a_good_assistant_passes(good):
    check_assistant(good(), CASES)


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        (Unnamed, "its name is no text"),
        (Mute, "describe()"),
        (Texting, "returned str"),
        (Misnaming, "returned Answer"),
        (Eating, "changed the conversation"),
        (Telling, "repeats a secret"),
        (Fickle, "two requests"),
        (Bodiless, "no Request with bytes"),
        (Consuming, "changed the conversation"),
        (Trusting, "raised UnicodeDecodeError"),
        (Hasty, "where it was cut"),
    ],
)
def test_a_broken_promise_of_an_assistant_is_told(broken, told):
    with pytest.raises(SubjectError) as caught:
        check_assistant(broken(), CASES)
    assert [fault.code for fault in caught.value.faults] == ["SUBJ049"]
    assert told in caught.value.faults[0].what


def test_too_few_cases_validates_input():
    with pytest.raises(ValueError, match="at least 2"):
        check_assistant(Callable(), CASES[:1])
