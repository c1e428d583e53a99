"""Loading the configuration: found, read, converted and checked, with all that is wrong with it said at once."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path as FilePath
from typing import Any, TypeVar, cast
from zoneinfo import ZoneInfo

import tomli
from msgspec import Struct, structs

from bridge import annotation
from bridge.config import defaults
from bridge.config.address import collide, host_and_port, is_loopback
from bridge.config.certificate import tls_context
from bridge.config.convert import INVALID, Conversion
from bridge.config.defaults import SYSTEM_FOLDER
from bridge.config.locator import Path, Place, Places
from bridge.config.password import is_hash
from bridge.config.settings import (
    JOURNAL,
    LONGEST_SOCKET_PATH,
    PLUGINS_DIR,
    SOCKET,
    UNKNOWN,
    ControlSettings,
    OutputSettings,
    ServerSettings,
    Settings,
)
from bridge.config.wording import not_toml, shown
from bridge.errors import ConfigError, NoConfiguration, Problem, did_you_mean
from bridge.networks import is_network
from bridge.output import Output
from bridge.threads import contained

NAME = "boxbridge.toml"

_Value = TypeVar("_Value")
_COMMON = [field.encode_name for field in structs.fields(OutputSettings) if field.name != "options"]
_TOKEN = re.compile(r"[A-Za-z0-9._~-]{8,}")
_OUTPUT_NAME = re.compile(r"[A-Za-z0-9_-]+")
_PAGES_ADDRESS = re.compile(r"https?://[^\s/?#\"]+(/[^\s?#\"]*[^\s/?#\"])?")


def find(explicit: FilePath | None = None, environment: Mapping[str, str] = os.environ) -> FilePath:
    """The configuration file: the one named, else the first that is there; raises NoConfiguration."""
    if explicit is not None:
        if _is_there(explicit):
            return explicit
        raise NoConfiguration(f"There is no {explicit}. Make one: boxbridge init mqtt -o {explicit}")
    home = FilePath(environment.get("XDG_CONFIG_HOME") or "~/.config").expanduser()
    places = [FilePath(NAME), home / "boxbridge" / NAME, SYSTEM_FOLDER / NAME]
    for place in places:
        if _is_there(place):
            return place
    looked = ", ".join(str(place) for place in places)
    raise NoConfiguration(f"There is no configuration ({looked}). Make one: boxbridge init mqtt -o {NAME}")


def _is_there(place: FilePath) -> bool:
    try:
        return place.exists()
    except OSError as error:
        raise ConfigError([Problem(str(place), f"can't be read: {error.strerror}")]) from None


class Source(Struct, frozen=True, kw_only=True):
    """A configuration file that was read: TOML, not yet settings."""

    file: FilePath
    tables: dict[str, Any]
    places: Places
    environment: Mapping[str, str]

    @property
    def plugins_dir(self) -> FilePath:
        """Where drop-in plugins lie. They bring types of outputs, so this key is read before all others."""
        return self._one(FilePath, "plugins_dir", PLUGINS_DIR)

    @property
    def data(self) -> FilePath:
        """The data folder, for commands that look for a running daemon and need nothing else to be right."""
        return self._one(FilePath, "data", defaults.data(self.environment, self.file))

    @property
    def timezone(self) -> ZoneInfo:
        """The time zone, for commands that need nothing else to be right."""
        return self._one(ZoneInfo, "timezone", defaults.timezone(self.environment))

    def called(self, serial: str) -> str:
        """The id that a device has here, for commands that need nothing else to be right; its own where it has none."""
        devices = self.tables.get("device")
        device = devices.get(serial) if isinstance(devices, dict) else None
        id_ = device.get("id") if isinstance(device, dict) else None
        return id_ if isinstance(id_, str) else serial

    @property
    def server(self) -> ServerSettings:
        """Where devices push to and what they must show, for a sender that needs nothing else; raises ConfigError."""
        conversion = Conversion(self.file, self.places, self.environment)
        server = conversion.convert(ServerSettings, self.tables.get("server", {}), ("server",))
        if isinstance(server, ServerSettings):
            try:
                host_and_port(server.listen)
            except ValueError as error:
                conversion.fault(("server", "listen"), str(error))
        if not conversion.faults:
            return cast(ServerSettings, server)
        raise ConfigError([problem for _, problem in conversion.faults])

    def _one(self, kind: type[_Value], name: str, default: _Value) -> _Value:
        """One value by itself; what is wrong with it is for `settings` to say."""
        conversion = Conversion(self.file, self.places, self.environment)
        value = conversion.convert(kind, self.tables[name], (name,)) if name in self.tables else default
        return value if isinstance(value, kind) else default

    def settings(self, outputs: Mapping[str, type[Output]], broken: Sequence[str] = ()) -> Settings:
        """The settings; raises ConfigError.

        `outputs`: by type. `broken`: a sentence for each plugin that could not be loaded, said where a type is missing.
        """
        reading = _Reading(self, outputs, broken)
        settings: Settings = reading.settings()
        if reading.faults:
            raise ConfigError(reading.problems())
        return settings


def read(file: FilePath, environment: Mapping[str, str] = os.environ) -> Source:
    """Read a file; raises ConfigError where it can't be read or is not TOML."""
    try:
        text = file.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
        tables = tomli.loads(text)
    except OSError as error:
        raise ConfigError([Problem(str(file), f"can't be read: {error.strerror}")]) from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigError([Problem(f"{file}:{line}", "this is not UTF-8 text")]) from None
    except tomli.TOMLDecodeError as error:
        raise ConfigError(
            [Problem(f"{file}:{error.lineno}:{error.colno}", f"not TOML: {not_toml(error.msg)}")]
        ) from None
    except RecursionError as error:
        raise ConfigError([Problem(str(file), f"can't be read: {error}")]) from None
    if "\0" in text or "\\u0000" in text or "\\U00000000" in text:
        raise ConfigError([Problem(str(file), "holds a NUL character, which no path, name or text may have")])
    return Source(file=file, tables=tables, places=Places(text), environment=environment)


def no_output_type(wanted: str, known: Iterable[str], broken: Sequence[str]) -> str:
    """The sentence about a type that no plugin brings, with what kept plugins from loading."""
    known = sorted(known)
    because = "".join(f". {sentence}" for sentence in broken)
    return f'no output type "{wanted}"{did_you_mean(wanted, known)} (there are: {", ".join(known) or "none"}){because}'


class _Reading(Conversion):
    """One reading of a source as settings, with the checks that concern more than one value."""

    def __init__(self, source: Source, outputs: Mapping[str, type[Output]], broken: Sequence[str]) -> None:
        super().__init__(source.file, source.places, source.environment)
        self._tables = source.tables
        self._types = outputs
        self._broken = broken

    def settings(self) -> Any:
        machine = {
            "site": defaults.site(),
            "data": defaults.data(self._environment, self._file),
            "timezone": defaults.timezone(self._environment),
        }
        self.unknown_keys(self._tables, (), [field.encode_name for field in structs.fields(Settings)])
        values = machine | self.fields(
            Settings, self._tables, (), skip=("output", *(machine.keys() - self._tables.keys()))
        )
        self._check_plugins_dir(values.get("plugins_dir"))
        self._check_data(values["data"])
        self._check_server(values.get("server"))
        self._check_control(values.get("control"))
        self._check_ports(values.get("server", ServerSettings()), values.get("control", ControlSettings()))
        self._check_devices(values.get("device"))
        values["output"] = self._outputs(self._tables.get("output", {}), {name: values[name] for name in machine})
        self._check_links(values["output"], values.get("control", ControlSettings()))
        return self.build(Settings, values, ())

    def problems(self) -> list[Problem]:
        """What is wrong, table by table in the order of the file; in a table unknown keys come first."""

        def table(fault: tuple[Path, Problem]) -> Place:
            path, _ = fault
            return self.places.value(path[: 2 if path[:1] in (("output",), ("device",), ("protocol",)) else 1])

        return [problem for _, problem in sorted(self.faults, key=table)]

    def _outputs(self, tables: Any, around: dict[str, Any]) -> Any:
        if not isinstance(tables, dict):
            return self.fault(("output",), f"{shown(tables)} is not a table; outputs are tables [output.NAME]")
        outputs = {name: self._output(name, table) for name, table in tables.items()}
        right = {name: output for name, output in outputs.items() if output is not INVALID}
        if not any(value is INVALID for value in around.values()):
            self._check_held(Settings(**around, output=right))
        return outputs if len(right) == len(outputs) else INVALID

    def _output(self, name: str, table: Any) -> Any:
        path = ("output", name)
        if not isinstance(table, dict):
            return self.fault(path, f"{shown(table)} is not a table; an output has a name of its own: [output.NAME]")
        if not _OUTPUT_NAME.fullmatch(name):
            self.fault(path, "an output's name is made of A-Z, a-z, 0-9, _ and -", at_key=True)
        options = self._options_of(table, path)
        own = [field.encode_name for field in structs.fields(options)] if options else []
        if options:
            self.unknown_keys(table, path, [*_COMMON, *own])
        values = self.fields(OutputSettings, table, path, skip=("options",))
        if not options:
            return INVALID
        chosen = self.fields(options, table, path)
        values["options"] = built = self.build(options, chosen, path)
        if getattr(built, "annotated", chosen.get("annotated")) is True and not annotation.is_possible():
            self.fault((*path, "annotated"), 'needs Pillow: pip install "boxbridge[annotate]"')
        return self.build(OutputSettings, values, path)

    def _options_of(self, table: dict[str, Any], path: tuple[str, ...]) -> type[Struct] | None:
        """The options of the table's type; None, and a fault, where they can't be had."""
        wanted = table.get("type")
        if not isinstance(wanted, str):
            return None  # noted where all keys are read
        if wanted not in self._types:
            self.fault((*path, "type"), no_output_type(wanted, self._types, self._broken))
            return None
        options = self._types[wanted].Options
        try:
            own = {field.encode_name for field in structs.fields(options)}
        except (NameError, TypeError) as error:  # a plugin's annotations name what is not there
            self.fault((*path, "type"), f'the options of output type "{wanted}" can\'t be understood: {error}')
            return None
        for name in sorted(own.intersection(_COMMON)):
            self.fault((*path, "type"), f'output type "{wanted}" has an option "{name}", which every output has')
        return options

    def _check_held(self, settings: Settings) -> None:
        """What an output holds for itself, no other may hold, nor anything in it."""
        data = settings.data.resolve()
        holders: list[tuple[str, str | FilePath]] = [("boxbridge", data / name) for name in (JOURNAL, UNKNOWN)]
        for name in (name for name, output in settings.output.items() if output.enabled):
            for option, held in self._held(name, settings).items():
                for holder, other in holders:
                    if holder != f"output {name}" and (why := _in_conflict(held, other)):
                        self.fault(("output", name, option), f"{holder} has {other} {why}")
                        break
                holders.append((f"output {name}", held))

    def _held(self, name: str, settings: Settings) -> dict[str, str | FilePath]:
        output = self._types[settings.output[name].type]
        try:
            held = contained(lambda: output.holds(settings.context(name)))
            return {option: it.resolve() if isinstance(it, FilePath) else it for option, it in held.items()}
        except Exception as error:  # noqa: BLE001 - a plugin's own code may raise anything
            said = f"what it holds can't be said: {type(error).__name__}: {error}"
            self.fault(("output", name), f"{said}; mend holds() in {output.__module__}")
            return {}

    def _check_plugins_dir(self, folder: Any) -> None:
        if isinstance(folder, FilePath) and folder != PLUGINS_DIR and not folder.is_dir():
            self.fault(("plugins_dir",), f"there is no folder {folder}")

    def _check_data(self, folder: Any) -> None:
        if not isinstance(folder, FilePath):
            return
        if len(os.fsencode(folder / SOCKET)) > LONGEST_SOCKET_PATH:
            longest = f"is longer than {LONGEST_SOCKET_PATH} bytes: set a shorter `data`"
            self.fault(("data",), f"the socket's path {folder / SOCKET} {longest}")
        elif (there := _in_the_way(folder)) is not None:
            self.fault(("data",), f"{there} is no folder: move it away, or set another `data`")

    def _check_server(self, server: Any) -> None:
        if not isinstance(server, ServerSettings):
            return
        self._address(server.listen, ("server", "listen"))
        self._check_networks(server.allow, ("server", "allow"))
        if server.token and not _TOKEN.fullmatch(server.token.reveal()):
            self.fault(("server", "token"), "a token has 8 characters or more of A-Z, a-z, 0-9, - . _ ~")
        if server.cert:
            try:
                tls_context(server.cert, server.key)
            except ValueError as error:
                self.fault(("server", "cert"), str(error))

    def _check_networks(self, networks: str | list[str] | None, path: tuple[str | int, ...]) -> None:
        """One, or a list of them."""
        if isinstance(networks, list):
            for number, network in enumerate(networks):
                self._check_networks(network, (*path, number))
        elif networks is not None and not is_network(networks):
            self.fault(path, f'{shown(networks)} is no network, such as "192.168.0.0/16"')

    def _check_control(self, control: Any) -> None:
        if not isinstance(control, ControlSettings):
            return
        if control.address is not None and not _PAGES_ADDRESS.fullmatch(control.address):
            self.fault(
                ("control", "address"), f'"{control.address}" is not an address such as "https://bridge.example"'
            )
        if control.listen:
            host = self._address(control.listen, ("control", "listen"))
            if host and not is_loopback(host) and not control.password:
                needed = "so it needs what `boxbridge password` makes"
                self.fault(("control", "listen"), f'"{host}" is not a loopback address, {needed}')
            if control.password and not is_hash(control.password.reveal()):
                self.fault(("control", "password"), "is not what `boxbridge password` makes: scrypt:...")

    def _check_links(self, outputs: Any, control: Any) -> None:
        if not isinstance(outputs, dict) or not isinstance(control, ControlSettings) or control.address:
            return
        for name, output in outputs.items():
            if getattr(output.options, "picture", "") == "url":
                needed = "needs address in [control], where people reach the pages from outside"
                self.fault(("output", name, "picture"), f'"url" {needed}')

    def _check_ports(self, server: Any, control: Any) -> None:
        if not isinstance(server, ServerSettings) or not isinstance(control, ControlSettings) or not control.listen:
            return
        try:
            if collide(server.listen, control.listen):
                port = host_and_port(control.listen)[1]
                self.fault(("control", "listen"), f"[server] listens on port {port} already: set another one")
        except ValueError:
            return  # noted where each address is read

    def _address(self, text: str, path: tuple[str, ...]) -> str:
        try:
            return host_and_port(text)[0]
        except ValueError as error:
            self.fault(path, str(error))
            return ""

    def _check_devices(self, devices: Any) -> None:
        """Two devices must not share a name: their topics and folders would be the same."""
        if not isinstance(devices, dict):
            return
        taken = {key: key for key, device in devices.items() if not device.id}
        for key, device in devices.items():
            self._check_networks(device.address, ("device", key, "address"))
            if device.address == []:
                self.fault(("device", key, "address"), "is empty")
            if device.id and taken.setdefault(device.id, key) != key:
                self.fault(("device", key, "id"), f'"{device.id}" is the name of device {taken[device.id]} already')


def _in_conflict(held: str | FilePath, other: str | FilePath) -> str:
    if held == other:
        return "already: each needs its own"
    if (
        isinstance(held, FilePath)
        and isinstance(other, FilePath)
        and (held.is_relative_to(other) or other.is_relative_to(held))
    ):
        return f"already: {held} may not lie in it, nor around it"
    return ""


def _in_the_way(folder: FilePath) -> FilePath | None:
    """What stands where the folder, or one that it is to be in, should be, and is none."""
    for place in (folder, *folder.parents):
        try:
            return None if stat.S_ISDIR(place.stat().st_mode) else place
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError:
            return None  # who checks may not look where the daemon may
    return None
