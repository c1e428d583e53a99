"""From TOML values to typed structs: every fault is noted at its place, and reading goes on."""

from __future__ import annotations

import re
import stat
import types
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path as FilePath
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin
from zoneinfo import ZoneInfo, available_timezones

import msgspec
from msgspec import Meta, Struct, structs

from bridge.config import toml
from bridge.config.locator import Path, Places
from bridge.config.wording import EXAMPLES, expected, peel, shown, such_as
from bridge.errors import Problem, did_you_mean
from bridge.options import IS_FILE, Secret
from bridge.threads import contained


class _NotKnown(Exception):
    """A check needs a value that has a fault: it can't go on."""


class _Invalid:
    """Not to be compared or tested: a check that did would find faults that nobody made."""

    def __repr__(self) -> str:
        return "INVALID"

    def __bool__(self) -> bool:
        raise _NotKnown

    def __eq__(self, other: object) -> bool:
        raise _NotKnown

    def __hash__(self) -> int:
        raise _NotKnown


INVALID: Final = _Invalid()
"""Stands for a value that has a fault; the fault is noted."""

_SHORTEST_HIDDEN: Final = 4
"""Characters of a secret that is blotted out of sentences; a shorter one would blot out ordinary words."""
_VARIABLE = re.compile(r"\$\{([^}]*)\}")


class Conversion:
    """One reading of a configuration; `faults` grows on the way."""

    def __init__(self, file: FilePath, places: Places, environment: Mapping[str, str]) -> None:
        self.faults: list[tuple[Path, Problem]] = []
        self._file = file
        self._folder = file.absolute().parent
        self.places = places
        self._environment = environment
        self._secrets: list[str] = []

    def fault(self, path: Path, what: str, *, at_key: bool = False) -> _Invalid:
        """Note a fault at the value, or the key, of a path."""
        line, column = self.places.key(path) if at_key else self.places.value(path)
        self._note(line, column, path, what)
        return INVALID

    def unknown_keys(self, table: dict[str, Any], path: Path, known: Iterable[str]) -> None:
        """Note each key of a table that is not a known one."""
        known = list(known)
        for name in table:
            if name not in known:
                line, column = self.places.key((*path, name))
                self._note(line, column, path, f'unknown key "{name}"{did_you_mean(name, known)}')

    def _note(self, line: int, column: int, path: Path, what: str) -> None:
        name = toml.dotted(path)
        problem = Problem(f"{self._file}:{line}:{column}", f"{name}: {what}" if name else what)
        self.faults.append((path, problem))

    def struct(self, cls: type[Struct], value: Any, path: Path) -> Any:
        """A table as a struct of this class, or INVALID."""
        if not isinstance(value, dict):
            return self.fault(path, f"{shown(value)} is not a table")
        self.unknown_keys(value, path, [field.encode_name for field in structs.fields(cls)])
        return self.build(cls, self.fields(cls, value, path), path)

    def fields(self, cls: type[Struct], table: dict[str, Any], path: Path, skip: Iterable[str] = ()) -> dict[str, Any]:
        """The values of a struct's fields that a table has, by field name; keys in `skip` are left to the caller."""
        values: dict[str, Any] = {}
        for field in structs.fields(cls):
            name = field.encode_name
            if name in skip:
                continue
            if name in table:
                values[field.name] = self.convert(field.type, table[name], (*path, name))
            elif field.required:
                values[field.name] = self.fault(path, f'key "{name}" is missing{such_as(field)}')
        return values

    def build(self, cls: type[Struct], values: dict[str, Any], path: Path) -> Any:
        """The struct itself, or INVALID; what it finds wrong with itself is noted.

        Where a value has a fault already, its `faults` are asked all the same: each group of them tells what it can
        without it.
        """
        whole, noted, asked = not _lacks(values.values()), len(self.faults), callable(getattr(cls, "faults", None))
        if not whole and not asked:
            return INVALID
        try:
            made: Any = contained(lambda: cls(**values))
        except (ValueError, TypeError) as error:  # the struct's own way to say what is wrong with it
            return self._own_fault(cls, str(error), path) if whole else INVALID
        except Exception as error:  # noqa: BLE001 - a plugin's own checks may have faults of their own
            return self._failed_checks(cls, error, path) if whole else INVALID
        try:
            if asked:
                contained(lambda: self._own_faults(cls, made, path, whole))
        except Exception as error:  # noqa: BLE001 - as above
            return self._failed_checks(cls, error, path) if whole else INVALID
        return made if whole and len(self.faults) == noted else INVALID

    def _own_faults(self, cls: type[Struct], made: Any, path: Path, whole: bool) -> None:
        """Note all that a struct finds wrong with itself; of one that is not whole, what can be told."""
        for sentence in sentences(made.faults(), as_far_as_it_gets=not whole):
            self._own_fault(cls, sentence, path)

    def _failed_checks(self, cls: type[Struct], error: Exception, path: Path) -> _Invalid:
        said = f"its checks failed: {type(error).__name__}: {error}"
        return self._own_fault(cls, f"{said}; mend them in {cls.__module__}", path)

    def _own_fault(self, cls: type[Struct], sentence: str, path: Path) -> _Invalid:
        """Note what a struct says of itself, "key: what is wrong": at the key."""
        sentence = self._without_secrets(sentence)
        name, colon, rest = sentence.partition(": ")
        if colon and name in {field.encode_name for field in structs.fields(cls)}:
            return self.fault((*path, name), rest)
        return self.fault(path, sentence)

    def convert(self, wanted: Any, value: Any, path: Path) -> Any:
        """A value as the wanted type, or INVALID; `${NAME}` in text comes from the environment."""
        try:
            expanded = self._expand(value) if isinstance(value, str) else value
        except ValueError as error:
            return self.fault(path, str(error))
        try:
            return self._convert(*peel(wanted), expanded, path)
        except ValueError as error:  # what a variable holds is not for errors: its name stands in its place
            told = str(error).replace(toml.value(str(expanded)), shown(value))
            return self.fault(path, told.replace(shown(str(expanded)), shown(value)))

    def _convert(self, kind: Any, metas: list[Meta], value: Any, path: Path) -> Any:
        """As `convert`; raises ValueError for a fault of the value itself, notes those of what is in it."""
        origin, arguments = get_origin(kind), get_args(kind)
        if origin in (Union, types.UnionType):
            return self._union([member for member in arguments if member is not types.NoneType], metas, value, path)
        if kind in EXAMPLES:
            return self._read(kind, metas, value, path)
        if isinstance(kind, type) and issubclass(kind, Struct):
            return self.struct(kind, value, path)
        if (origin or kind) in (list, tuple, set, frozenset) and isinstance(value, list):
            item_type = arguments[0] if arguments else Any
            items = [self.convert(item_type, item, (*path, index)) for index, item in enumerate(value)]
            return INVALID if _lacks(items) else _fitted(origin or kind, metas, items)
        if (origin or kind) in (dict, Any) and isinstance(value, dict):
            item_type = arguments[1] if arguments else Any
            table = {name: self.convert(item_type, item, (*path, name)) for name, item in value.items()}
            return INVALID if _lacks(table.values()) else _fitted(dict, metas, table)
        return _fitted(kind, metas, value)

    def _union(self, members: list[Any], metas: list[Meta], value: Any, path: Path) -> Any:
        if len(members) == 1:
            kind, own = peel(members[0])
            return self._convert(kind, own + metas, value, path)
        for member in members:
            if not _may_be(member, value):
                continue
            noted = len(self.faults)
            try:
                converted = self._convert(*peel(member), value, path)
            except ValueError:
                continue
            if converted is not INVALID or isinstance(value, dict | list):
                return converted
            del self.faults[noted:]
        wanted = " or ".join(expected(*peel(member)) for member in members)
        raise ValueError(f"{'this' if Secret in members else shown(value)} is not {wanted}")

    def _read(self, kind: Any, metas: list[Meta], value: Any, path: Path) -> Any:
        if kind is Secret and isinstance(value, dict):
            return self._secret_file(value, path)
        if not isinstance(value, str):
            raise ValueError(f"{'this' if kind is Secret else shown(value)} is not {expected(kind, metas)}")
        if kind is Secret:
            self._secrets.append(value)
            return Secret(value)
        if kind is FilePath:
            return self._path(value, metas)
        if kind is ZoneInfo:
            return _zone(value)
        read = kind(value)
        _fitted(float, metas, float(read), f"{shown(value)} is not {expected(kind, metas)}")
        return read

    def _path(self, text: str, metas: list[Meta]) -> FilePath:
        if not text:
            raise ValueError('"" is not a path')
        if text[0] == "~":
            raise ValueError(f"{shown(text)} begins with ~, another folder for each user: write it in full")
        path = self._folder / text
        if any(meta.extra == IS_FILE for meta in metas):
            _check_file(path)
        return path

    def _expand(self, text: str) -> str:
        missing = [name for name in _VARIABLE.findall(text) if name not in self._environment]
        if missing:
            raise ValueError(f"${{{missing[0]}}} is not set")
        if not _VARIABLE.search(text):
            return text
        return toml.Expanded(_VARIABLE.sub(lambda match: self._environment[match[1]], text), text)

    def _secret_file(self, table: dict[str, Any], path: Path) -> Any:
        self.unknown_keys(table, path, ["file"])
        if "file" not in table:
            return self.fault(path, 'key "file" is missing, such as file = "secrets/name"')
        file = self.convert(FilePath, table["file"], (*path, "file"))
        if file is INVALID or len(table) > 1:
            return INVALID
        try:
            content = file.read_text("utf-8")
        except UnicodeDecodeError:
            return self.fault((*path, "file"), f"{file} is not UTF-8 text")
        except OSError as error:
            return self.fault((*path, "file"), f"can't read {file}: {error.strerror}")
        secret = content.removesuffix("\n").removesuffix("\r")
        if not secret:
            return self.fault((*path, "file"), f"{file} is empty")
        self._secrets.append(secret)
        return Secret(secret)

    def _without_secrets(self, sentence: str) -> str:
        """A plugin's own words, in case it quotes what it must not."""
        for secret in (secret for secret in self._secrets if len(secret) >= _SHORTEST_HIDDEN):
            sentence = sentence.replace(secret, "<secret>")
        return sentence


def sentences(faults: Iterable[Any], *, as_far_as_it_gets: bool = False) -> Iterator[str]:
    """What a struct's `faults` tell, in groups or not; with `as_far_as_it_gets` a group that fails costs no other."""
    try:
        for fault in faults:
            if isinstance(fault, str):
                yield fault
            else:
                yield from sentences(fault, as_far_as_it_gets=as_far_as_it_gets)
    except Exception:
        if not as_far_as_it_gets:
            raise


def _lacks(values: Iterable[Any]) -> bool:
    return any(value is INVALID for value in values)


def _may_be(wanted: Any, value: Any) -> bool:
    """Whether a value has the shape of one type of several: what is wrong within it is then said of that one."""
    if isinstance(value, dict):
        return expected(*peel(wanted)) == "a table" or peel(wanted)[0] is Secret  # { file = "…" }
    return not isinstance(value, list) or expected(*peel(wanted)) == "a list"


def _fitted(kind: Any, metas: list[Meta], value: Any, sentence: str = "") -> Any:
    """A plain value as msgspec takes it; raises ValueError with the sentence."""
    try:
        return msgspec.convert(value, Annotated[(kind, *metas)] if metas else kind)
    except msgspec.ValidationError:
        near = did_you_mean(value, get_args(kind)) if get_origin(kind) is Literal and isinstance(value, str) else ""
        raise ValueError(sentence or f"{shown(value)} is not {expected(kind, metas)}{near}") from None


def _check_file(path: FilePath) -> None:
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise ValueError(f"there is no file {path}") from None
    except OSError:
        return  # who checks may not look where the daemon may
    if stat.S_ISDIR(mode):
        raise ValueError(f"{path} is a folder, not a file")


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # OSError: a folder of zones, such as "Europe"
        raise ValueError(f'"{name}" is no time zone{did_you_mean(name, sorted(available_timezones()))}') from None
