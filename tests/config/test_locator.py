"""Every key and value of a TOML text is found, at the very character where it stands."""

from __future__ import annotations

import json
import string
from collections.abc import Iterator
from typing import Any

import tomli
from hypothesis import given
from hypothesis import strategies as st

from bridge.config.locator import Path, Places

NASTY = '''\
# a = 1  [not.a.table]
"quoted # key" = "a \\" # = [ { "
'literal.key' = 'C:\\path # ['
"esc\\u0061ped" = """
[x]
y = 1 \\
"""""
lit = \'\'\'\'[z]\'
= 2\'\'\'
dotted."k.e".y = 1
dotted . other=2
3.14 = 3.14
date = 1979-05-27 07:32:00 # a blank inside
list = [ # comment ]
  1, [ "]", 2 ],
  { x = 1, "y.z" = [ { w = {} } ], d.e = "}" }, # trailing
]
empty = []
inline = { a = { b = 1 }, c = ',' }
[table]
x=-0.5e-3
[ table . "sub.table" ]
y = """a""b"""
[deep.er.still]
[[fruit]]
name = "apple"
[fruit.physical]
color = "red"
[[fruit.variety]]
name = "red delicious"
[[fruit.variety]]
[[fruit]]
name = "pear"
[[fruit.variety]]
name = "plantain"
[deep]
z = true
["文字"]
"键" = "值"
'''


def paths(value: Any, base: Path = ()) -> Iterator[Path]:
    """All paths of what tomli read."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in pairs:
        yield (*base, step)
        yield from paths(inner, (*base, step))


def at(text: str, place: tuple[int, int]) -> str:
    """The rest of the text from a place on."""
    line, column = place
    return "\n".join([text.splitlines()[line - 1][column - 1 :], *text.splitlines()[line:]])


def test_a_nasty_file_has_the_paths_that_tomli_reads() -> None:
    assert Places(NASTY).paths == set(paths(tomli.loads(NASTY)))


def test_places_in_a_nasty_file() -> None:
    places = Places(NASTY)
    assert at(NASTY, places.key(("quoted # key",))).startswith('"quoted # key" =')
    assert at(NASTY, places.value(("escaped",))).startswith('"""\n[x]')
    assert at(NASTY, places.key(("dotted", "k.e", "y"))).startswith("y = 1")
    assert at(NASTY, places.value(("list", 1, 0))).startswith('"]", 2')
    assert at(NASTY, places.value(("list", 2, "y.z", 0, "w"))).startswith("{} } ]")
    assert at(NASTY, places.key(("table", "sub.table"))).startswith('"sub.table" ]')
    assert at(NASTY, places.value(("table", "sub.table"))).startswith('[ table . "sub')
    assert at(NASTY, places.value(("fruit", 1, "variety", 0, "name"))).startswith('"plantain"')
    assert at(NASTY, places.value(("deep",))).startswith("[deep]")


def test_lines_and_columns_count_from_one_and_in_characters() -> None:
    places = Places('a = "车辆"\nb = { c = "车", d = 1 }\n')
    assert places.key(("a",)) == (1, 1)
    assert places.value(("a",)) == (1, 5)
    assert places.value(("b",)) == (2, 5)
    assert places.key(("b", "d")) == (2, 16)
    assert places.value(("b", "d")) == (2, 20)


def test_what_is_not_there_is_placed_at_the_table_it_would_be_in() -> None:
    places = Places("x = 1\n[output.broker]\n")
    assert places.value(("output", "broker", "url")) == (2, 1)
    assert places.key(("output", "broker", "url", "host")) == (2, 1)
    assert places.value(("nowhere",)) == (1, 1)


names = st.text(alphabet=string.ascii_letters + string.digits + "-_.#[] \"'=车", min_size=1, max_size=6)
texts = st.text(alphabet=string.printable.replace("\r", "").replace("\x0b", "").replace("\x0c", "") + "车", max_size=12)
scalars = st.integers(-(10**6), 10**6) | st.booleans() | st.floats(-1e6, 1e6) | texts | st.dates()
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3), max_leaves=12
)


class Writer:
    """Writes a document as TOML, drawing among the ways that TOML has for the same thing."""

    def __init__(self, draw: st.DataObject) -> None:
        self.draw = draw
        self.lines: list[str] = []

    def choose(self, *ways: Any) -> Any:
        return self.draw.draw(st.sampled_from(ways))

    def key(self, name: str) -> str:
        ways = [json.dumps(name)]
        if "'" not in name:
            ways.append(f"'{name}'")
        if all(c in string.ascii_letters + string.digits + "-_" for c in name):
            ways.append(name)
        return str(self.choose(*ways))

    def value(self, value: Any) -> str:
        space = self.choose("", " ")
        if isinstance(value, dict):
            pairs = (f"{self.key(name)}{space}={space}{self.value(inner)}" for name, inner in value.items())
            return f"{{{space}{f'{space},{space}'.join(pairs)}{space}}}"
        if isinstance(value, list):
            gap = self.choose("", " ", "\n", " # ] ,\n")
            return f"[{gap}{''.join(f'{self.value(item)}{gap},{gap}' for item in value)}]"
        if isinstance(value, str):
            quoted = json.dumps(value).replace("\x7f", "\\u007f")
            ways = [quoted, f'""{quoted}""']
            if "'''" not in value and not value.startswith("\n") and not value.endswith("'"):
                ways.append(f"'''{value}'''".replace("\x7f", ""))
            return str(self.choose(*ways))
        return str(value).lower() if isinstance(value, bool) else str(value)

    def table(self, table: dict[str, Any], header: list[str]) -> None:
        later: list[tuple[list[str], dict[str, Any], bool]] = []
        for name, inner in table.items():
            steps = [*header, self.key(name)]
            if isinstance(inner, dict) and self.choose(True, False):
                later.append((steps, inner, False))
            elif inner and isinstance(inner, list) and all(isinstance(item, dict) for item in inner):
                later += [(steps, item, True) for item in inner]
            elif inner and isinstance(inner, dict):
                first = steps[-1]
                self.lines += [f"{first} . {self.key(key)} = {self.value(value)}" for key, value in inner.items()]
            else:
                self.lines.append(f"{steps[-1]} = {self.value(inner)} # = [")
        for steps, inner, is_array in later:
            self.lines.append(f"[[{'.'.join(steps)}]]" if is_array else f"[ {' . '.join(steps)} ]")
            self.table(inner, steps)


@given(document=st.dictionaries(names, values, max_size=4), draw=st.data())
def test_any_text_has_the_paths_that_tomli_reads_and_values_stand_where_they_are_said(
    document: dict[str, Any], draw: st.DataObject
) -> None:
    writer = Writer(draw)
    writer.table(document, [])
    text = "\n".join(writer.lines)
    read = tomli.loads(text)
    places = Places(text)
    assert places.paths == set(paths(read))
    starts = [0, *(index + 1 for index, character in enumerate(text) if character == "\n")]
    for path in places.paths:
        value: Any = read
        for step in path:
            value = value[step]
        line, column = places.value(path)
        rest = text[starts[line - 1] + column - 1 :]
        if isinstance(value, bool | int | float):
            assert rest.startswith(str(value).lower())
        elif isinstance(value, str):
            assert rest[0] in "\"'"
        elif isinstance(value, list):
            assert rest[0] == "["
        if isinstance(path[-1], str):
            line, column = places.key(path)
            rest = text[starts[line - 1] + column - 1 :]
            assert rest.startswith((path[-1], json.dumps(path[-1]), f"'{path[-1]}'"))
