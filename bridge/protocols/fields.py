"""One JSON object of a push, read field by field, so that nothing it says is lost and nothing odd stops the reading."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_MOST = 2**63
_MOST_ITEMS = 1000
"""Of one list; no honest push has so many, and the event loop waits while they are read."""
MOST_OBJECTS = 10_000
"""In all lists of one push."""
_MOST_UNKNOWN = 10_000
"""Fields of one push that nobody took."""


class Reading:
    """What the objects of one push share: which fields were odd, and how much more of the push is read."""

    __slots__ = ("objects", "oddities", "unknown")

    def __init__(self) -> None:
        self.oddities: list[str] = []
        self.objects = MOST_OBJECTS
        self.unknown = _MOST_UNKNOWN


class Fields:
    """Reads an object's fields by name; what nobody took, or could take, is the `rest`.

    A field that is missing, null or of a wrong type reads as empty and its path goes to `oddities`. A field of a wrong
    type stays in the rest, as it came.
    """

    __slots__ = ("_children", "_path", "_reading", "_strays", "_taken", "_values")

    def __init__(self, values: Mapping[str, Any], path: str, reading: Reading) -> None:
        self._values = values
        self._path = path
        self._reading = reading
        self._taken: set[str] = set()
        self._children: list[tuple[str, str, Fields]] = []
        """(field, place below this object, what stands there)"""
        self._strays: dict[str, Any] = {}

    def text(self, name: str, *, optional: bool = False) -> str:
        """A text; numbers and truth values are read as what JSON calls them."""
        value = self._values.get(name)
        if value.__class__ is str:  # nearly always
            self._taken.add(name)
            return value
        value = self._take(name, optional)
        if value is None:
            return ""
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, int | float):
            return str(value)
        self.refuse(name)
        return ""

    def number(self, name: str, *, optional: bool = False) -> int | float | None:
        """A number, written as one or as text."""
        value = self._values.get(name)
        if value.__class__ is int and -_MOST < value < _MOST:  # nearly always
            self._taken.add(name)
            return value
        value = self._take(name, optional)
        number = number_in(value)
        if value is not None and number is None:
            self.refuse(name)
        return number

    def whole(self, name: str, *, optional: bool = False) -> int | None:
        """A whole number, written as one or as text."""
        number = self.number(name, optional=optional)
        if number is None or number.__class__ is int:
            return number
        if number == int(number):
            return int(number)
        self.refuse(name)
        return None

    def anything(self, name: str) -> Any:
        """Whatever stands there, as it came."""
        return self._take(name, optional=True)

    def mapping(self, name: str) -> dict[str, Any]:
        """An object as it came, for what is passed on unread."""
        value = self._take(name, optional=False)
        if value is None or isinstance(value, dict):
            return value or {}
        self.refuse(name)
        return {}

    def object(self, name: str) -> Fields:
        """An object; an empty one where there is none, whose missing fields nobody counts."""
        value = self._take(name, optional=False)
        if isinstance(value, dict):
            return self._child(name, name, value, f"{self._path}{name}.")
        if value is not None:
            self.refuse(name)
        return Fields({}, "", Reading())

    def objects(self, name: str) -> list[Fields]:
        """A list of objects; a lone object is a list of one."""
        value = self._take(name, optional=False)
        if value is None:
            return []
        found = []
        items = value if isinstance(value, list) else [value]
        most = min(_MOST_ITEMS, self._reading.objects)
        if len(items) > most:
            self._strays[f"{name}[{most}:]"] = items[most:]
            self._odd(name)
            items = items[:most]
        self._reading.objects -= len(items)
        for number, item in enumerate(items):
            if isinstance(item, dict):
                found.append(self._child(name, f"{name}[{number}]", item, f"{self._path}{name}[]."))
            else:
                self._strays[f"{name}[{number}]" if isinstance(value, list) else name] = item
                self._odd(name)
        return found

    def has(self, name: str) -> bool:
        """Whether the object says anything under this name."""
        return self._values.get(name) is not None

    def keep(self, name: str) -> None:
        """Leave a field that was read in the rest, whole, as it came."""
        self._taken.discard(name)
        self._children = [child for child in self._children if child[0] != name]

    def refuse(self, name: str, *, keep: bool = True) -> None:
        """Count a field as odd, and leave it in the rest unless it is not worth keeping there."""
        self._odd(name)
        if keep:
            self.keep(name)

    def rest(self) -> dict[str, Any]:
        """What nobody took, by its path below this object; a second call finds nothing."""
        found = self._strays
        if not self._values.keys() <= self._taken:
            found |= self._untaken()
        for _, place, child in self._children:
            if left := child.rest():
                found |= {f"{place}.{name}": value for name, value in left.items()}
        self._values, self._strays, self._children = {}, {}, []
        return found

    def _untaken(self) -> dict[str, Any]:
        names = [name for name in self._values if name not in self._taken]
        shown = names[: self._reading.unknown]
        self._reading.unknown -= len(shown)
        found = {name: self._values[name] for name in shown}
        if len(shown) < len(names):
            found["(more)"] = f"({len(names) - len(shown)} more fields; the original request has them)"
        return found

    def _take(self, name: str, optional: bool) -> Any:
        value = self._values.get(name)
        self._taken.add(name)
        if value is None and not optional:
            self._odd(name)
        return value

    def _odd(self, name: str) -> None:
        self._reading.oddities.append(f"{self._path}{name}")

    def _child(self, name: str, place: str, values: Mapping[str, Any], path: str) -> Fields:
        child = Fields(values, path, self._reading)
        self._children.append((name, place, child))
        return child


def number_in(value: object) -> int | float | None:
    """The number that a value is or spells; None where it is none, or none that 64 bits hold."""
    if isinstance(value, str):
        value = _spelled(value)
    # NaN and the infinities fail the comparison, too.
    return value if isinstance(value, int | float) and abs(value) < _MOST else None


def _spelled(text: str) -> int | float | None:
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return None
