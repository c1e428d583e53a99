"""What holds for any push whatever: nothing but Malformed is raised, and the body can be put together again."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pybase64
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.event import decode_document, encode_document
from bridge.normalizer import Malformed, Outcome, Parsed, Push
from bridge.protocols.exact import read_exactly
from bridge.protocols.picture import Pictures
from bridge.protocols.skill import SkillNormalizer
from bridge.testing import draw_dot, sample_push, vary

NORMALIZER = SkillNormalizer()
WHOLE = (Path(__file__).parents[1] / "data" / "offvehicle.json").read_bytes()
SMALL = sample_push(small=True, targets=2)

quick = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow], derandomize=True)

pictures = st.integers(0, 3).map(lambda number: vary(draw_dot(number), number)) | st.binary(max_size=300)
texts = st.text(max_size=20) | pictures.map(lambda data: pybase64.b64encode(data).decode())
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts | pictures.map(lambda data: data.hex()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=8,
)


def make_push(body: bytes) -> Push:
    return Push(method="POST", path="/", query="", headers={}, body=body, peer="127.0.0.1", received=datetime.now(UTC))


def read(body: bytes) -> Parsed | None:
    """Parse and check what holds for all that can be parsed."""
    push = make_push(body)
    try:
        parsed = NORMALIZER.parse(push)
    except Malformed as refusal:
        answer = NORMALIZER.answer(push, None, Outcome("refused", 400, str(refusal)))
        return None if json.loads(answer.body)["message"] else pytest.fail("refused without a sentence")
    json.loads(NORMALIZER.answer(push, parsed, Outcome("stored")).body)
    assert put_together(body, parsed) == body
    names = {picture.sha256 for event in parsed.events for picture in event.pictures}
    assert names <= {cutout.sha256 for cutout in parsed.pictures}
    for event in parsed.events:
        document = encode_document(event.with_(site="plant-a"))
        assert encode_document(decode_document(document)) == document
    return parsed


def put_together(body: bytes, parsed: Parsed) -> bytes:
    """The body made again from its pieces and its pictures, as the journal does."""
    pieces, end = [], 0
    for cutout in sorted((c for c in parsed.pictures if c.span), key=lambda cutout: cutout.span or (0, 0)):
        assert cutout.span is not None
        start = cutout.span[0]
        assert start >= end, "spans overlap"
        pieces += [body[end:start], pybase64.b64encode(cutout.data)]
        end = cutout.span[1]
    return b"".join([*pieces, body[end:]])


def at(tree: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        tree = tree[step]
    return tree


def same_type(value: Any) -> st.SearchStrategy[Any]:
    """Other values of the kind that the document asks for."""
    if isinstance(value, str):
        return st.text(max_size=8) | st.just("")
    return st.integers(-3, 3) | st.integers() | st.floats(allow_nan=False) | st.integers(10**9, 2 * 10**12)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of each value in a tree."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for step, item in items for place in places(item, (*path, step)))]


@quick
@given(st.binary())
def test_any_bytes_are_refused_with_a_sentence_or_read(body: bytes) -> None:
    read(body)


@quick
@given(st.data())
def test_the_sample_with_any_bytes_spoilt_is_refused_with_a_sentence_or_read(data: st.DataObject) -> None:
    body = bytearray(data.draw(st.sampled_from((SMALL, WHOLE))))
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(body)))
        body[start : start + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    read(bytes(body))


@quick
@given(st.data())
def test_the_sample_with_any_values_replaced_is_still_an_event(data: st.DataObject) -> None:
    tree = json.loads(SMALL)
    for _ in range(data.draw(st.integers(1, 5))):
        replace(tree, data.draw(st.sampled_from(places(tree)[1:])), data.draw(values))
    parsed = read(json.dumps(tree, ensure_ascii=data.draw(st.booleans())).encode("utf-8", "surrogatepass"))
    if isinstance(tree.get("wsKey"), str) and tree["wsKey"] == "eventCreateOptimize":
        assert parsed is not None
        assert len(parsed.events) == 1


@quick
@given(st.data())
def test_both_ways_to_read_a_push_give_the_same(data: st.DataObject) -> None:
    """The fast way reads only what keeps to the document; what it reads, the lenient way reads the same."""
    tree = json.loads(SMALL)
    leaves = [path for path in places(tree) if path[-1:] != ("wsKey",) and not isinstance(at(tree, path), dict | list)]
    for path in data.draw(st.lists(st.sampled_from(leaves), max_size=4)):
        replace(tree, path, data.draw(same_type(at(tree, path)) | values))
    push = make_push(json.dumps(tree).encode("utf-8", "surrogatepass"))
    fast = NORMALIZER.parse(push)
    lenient = NORMALIZER._parse_leniently(push, Pictures(push.body))
    assert [event.with_(id="") for event in fast.events] == [event.with_(id="") for event in lenient.events]
    assert (fast.key, fast.oddities, fast.pictures) == (lenient.key, lenient.oddities, lenient.pictures)
    assert (fast.message, fast.device, fast.reply) == (lenient.message, lenient.device, lenient.reply)


@pytest.mark.parametrize("body", [WHOLE, SMALL, sample_push(targets=3), sample_push(picture=b"")])
def test_pushes_that_keep_to_the_document_are_read_the_fast_way(body: bytes) -> None:
    assert read_exactly(make_push(body), Pictures(body)) is not None


@quick
@given(st.lists(pictures, max_size=5), st.sampled_from([None, 1, 4]), st.sampled_from(["", "data:image/jpeg;base64,"]))
def test_any_pictures_in_any_writing_are_found_and_the_body_put_together_again(
    found: list[bytes], indent: int | None, head: str
) -> None:
    tree = json.loads(SMALL)
    tree["message"]["data"]["targetBasicInfo"] = [
        {"img": head + pybase64.b64encode(data).decode(), "avatar": pybase64.b64encode(data).decode()} for data in found
    ]
    parsed = read(json.dumps(tree, indent=indent).encode())
    assert parsed is not None
    assert {data for data in found if data} <= {cutout.data for cutout in parsed.pictures}


def test_values_nested_absurdly_deep_cost_no_event() -> None:
    for depth in (20, 40, 400):
        tree = json.loads(SMALL)
        tree["message"]["data"]["deep"] = json.loads("[" * depth + "]" * depth)
        tree["message"]["data"]["dynamicInfo"] = copy.deepcopy(tree["message"]["data"]["deep"])
        parsed = read(json.dumps(tree).encode())
        assert parsed is not None
        assert (b"nested too deeply" in encode_document(parsed.events[0])) is (depth > 32)


def test_a_list_without_end_is_read_up_to_a_bound() -> None:
    tree = json.loads(SMALL)
    tree["message"]["data"]["targetBasicInfo"] = [{}] * 1200
    parsed = read(json.dumps(tree).encode())
    assert parsed is not None
    assert len(parsed.events[0].targets) == 1000
    assert len(parsed.events[0].extra["message.data.targetBasicInfo[1000:]"]) == 200


def replace(tree: dict[str, Any], path: tuple[Any, ...], value: Any) -> None:
    """Put a value in a tree's place."""
    holder: Any = tree
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = value
