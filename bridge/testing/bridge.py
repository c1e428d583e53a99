"""The daemon itself for tests: the installed command with a configuration, in a process that may be killed."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import msgspec

from bridge.protocols.skill import PATH
from bridge.testing.ports import HOST, free_port

COMMAND = Path(sys.executable).with_name("boxbridge")


def environment_as_here() -> dict[str, str]:
    """That of a process which can import what can be imported here, such as the plugin that is tested."""
    return os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


class Bridge:
    """Runs `boxbridge run` in a folder; `kill`, `stop` and `start` as often as wanted.

    `tables`: TOML, such as `[output.NAME]` with its keys. The rest of the configuration is the kit's: free ports of
    127.0.0.1, data in the folder, drop-in plugins from `plugins` in it.
    """

    def __init__(
        self,
        folder: Path,
        tables: str = "",
        *,
        log_level: str = "info",
        environment: Mapping[str, str] | None = None,
        through: Sequence[str] = (),
    ) -> None:
        self.folder = folder
        self.environment = dict(environment or {})
        self.through = through
        """What the command is run through, as `setpriv …` that takes rights away from it."""
        self.port = free_port()
        self.control_port = free_port()
        self.config = folder / "boxbridge.toml"
        self.data = folder / "data"
        self.plugins_dir = folder / "plugins"
        self.log = folder / "boxbridge.log"
        self.process: subprocess.Popen[bytes] | None = None
        self._log_level = log_level
        self.configure(tables)

    def configure(self, tables: str) -> None:
        """Write the configuration."""
        self.plugins_dir.mkdir(exist_ok=True)
        self.config.write_text(
            f'site = "plant-a"\ndata = "{self.data}"\ntimezone = "Asia/Shanghai"\nplugins_dir = "{self.plugins_dir}"\n'
            f'[server]\nlisten = "{HOST}:{self.port}"\n[control]\nlisten = "{HOST}:{self.control_port}"\n{tables}\n',
            encoding="utf-8",
        )

    def drop_in(self, brought: type[object], hook: str, *, made: bool = False) -> None:
        """Have it load a class that is not installed. `made`: the hook returns an object of it."""
        module, name = brought.__module__, brought.__name__
        text = f"from bridge import hookimpl\nfrom {module} import {name}\n\n\n@hookimpl\n"
        text += f"def {hook}():\n    return [{name}{'()' if made else ''}]\n"
        (self.plugins_dir / f"dropped_{name.lower()}.py").write_text(text, encoding="utf-8")

    @property
    def url(self) -> str:
        """Where boxes push to."""
        return f"http://{HOST}:{self.port}{PATH}"

    def start(self, launcher: Sequence[str] = (), handed: Sequence[int] = ()) -> None:
        """Start the daemon and wait until it takes pushes.

        `launcher`: a command that becomes it; `handed`: file descriptors that it keeps.
        """
        with self.log.open("ab") as log:
            line = [
                *launcher,
                *self.through,
                str(COMMAND),
                "run",
                "-c",
                str(self.config),
                "--log-level",
                self._log_level,
            ]
            environment = environment_as_here() | self.environment
            self.process = subprocess.Popen(line, stderr=log, stdout=log, env=environment, pass_fds=handed)
        self.until(self._answers)

    def _answers(self) -> bool:
        if self.process is None or self.process.poll() is not None:
            raise AssertionError(f"boxbridge does not start:\n{self.log.read_text()}")
        try:
            with contextlib.closing(self.connection(5)) as connection:
                connection.request("GET", "/")
                return connection.getresponse().status == 200
        except OSError:
            return False

    def connection(self, timeout: float) -> http.client.HTTPConnection:
        """A connection as a box makes it."""
        return http.client.HTTPConnection(HOST, self.port, timeout=timeout)

    def kill(self) -> None:
        """End it as a power cut would."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """End it in order; returns its exit code."""
        return self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> int:
        process, self.process = self.process, None
        if process is None:
            raise AssertionError("boxbridge does not run")
        process.send_signal(how)
        return process.wait(20)

    def command(self, *arguments: object, code: int = 0) -> bytes:
        """Run another command with this configuration, which must end with this code; returns what it prints."""
        line = [str(COMMAND), *map(str, arguments), "-c", str(self.config)]
        ended = subprocess.run(line, capture_output=True, timeout=60, check=False)
        if ended.returncode != code:
            raise AssertionError((line, ended.returncode, ended.stdout[-2000:], ended.stderr[-2000:]))
        return ended.stdout if code == 0 else ended.stderr

    def status(self) -> dict[str, Any]:
        """What `boxbridge status --json` says."""
        status: dict[str, Any] = msgspec.json.decode(self.command("status", "--json"))
        return status

    def ask(self, path: str) -> bytes:
        """What the running daemon answers at a path of its API or metrics."""
        with contextlib.closing(http.client.HTTPConnection(HOST, self.control_port, timeout=30)) as connection:
            connection.request("GET", path)
            return connection.getresponse().read()

    def output(self, name: str) -> dict[str, Any]:
        """How an output of it stands: `state`, `reason`, `waiting`, `delivered`, `dead` and so on."""
        outputs: list[dict[str, Any]] = msgspec.json.decode(self.ask("/api/v1/outputs"))
        return next(output for output in outputs if output["name"] == name)

    def until(self, condition: Callable[[], object], within: float = 20) -> None:
        """Wait until something holds; raises AssertionError, with the log's end, where it does not come true."""
        deadline = time.monotonic() + within
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {within} s; the log ends:\n{self.log.read_text()[-3000:]}")
            time.sleep(0.02)

    def push(self, body: bytes) -> tuple[int, dict[str, Any]]:
        """Push one body as a box does; returns HTTP status and answer."""
        status, answer = self.send(body)
        return status, msgspec.json.decode(answer)

    def send(self, body: bytes, path: str = PATH, content_type: str = "application/json") -> tuple[int, bytes]:
        """Push a body as another vendor's device does; returns HTTP status and the answer as it came."""
        with contextlib.closing(self.connection(30)) as connection:
            connection.request("POST", path, body, {"Content-Type": content_type})
            answer = connection.getresponse()
            return answer.status, answer.read()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None:
            self.kill()
