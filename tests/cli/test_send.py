"""`boxbridge send` against a real HTTP server that acts as a bridge."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from time import time
from typing import Any

import pytest
from websockets.sync.server import ServerConnection, serve

BOXBRIDGE = Path(sys.executable).with_name("boxbridge")
SUCCESS = b'{"wsKey": "eventCreateOptimizeResult", "msg_id": "1", "code": 0, "message": "success", "timestamp": 1}'


class Receiver(ThreadingHTTPServer):
    """Answers every POST with `answer` and keeps what came."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer = (200, SUCCESS)
        self.pushes: list[tuple[str, bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.pushes.append((self.path, body))
        status, answer = self.server.answer
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        return


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def send(folder: Path, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [BOXBRIDGE, "send", *arguments],
        cwd=folder,
        input=stdin,
        capture_output=True,
        env={"HOME": str(folder), "PATH": "/usr/bin:/bin"},
        timeout=30,
        check=False,
    )


def test_a_captured_body_is_pushed_byte_for_byte(receiver: Receiver, tmp_path: Path) -> None:
    (tmp_path / "body").write_bytes(b'\xef\xbb\xbf{"any" : "\\u8f66"}\r\n')
    done = send(tmp_path, "body", "--to", receiver.url + "/any/path?token=1")
    assert receiver.pushes == [("/any/path?token=1", b'\xef\xbb\xbf{"any" : "\\u8f66"}\r\n')]
    assert done.returncode == 0
    assert done.stdout.decode().startswith("HTTP 200  code 0  success  ")
    assert done.stdout.decode().endswith(" ms\n")


def test_an_address_alone_means_the_vendors_path(receiver: Receiver, tmp_path: Path) -> None:
    send(tmp_path, "-", "--to", receiver.url, stdin=b"{}")
    assert receiver.pushes == [("/dataPush/DataReportCB", b"{}")]


def test_without_a_file_the_sample_is_pushed_freshly_dated_and_never_twice_the_same(
    receiver: Receiver, tmp_path: Path
) -> None:
    for _ in range(2):
        assert send(tmp_path, "--to", receiver.url).returncode == 0
    first, second = (json.loads(body) for _, body in receiver.pushes)
    assert first["wsKey"] == "eventCreateOptimize"
    assert abs(first["message"]["data"]["timestamp"] / 1000 - time()) < 60
    assert first["msg_id"] != second["msg_id"]


def test_without_an_address_it_goes_where_the_configuration_listens(receiver: Receiver, tmp_path: Path) -> None:
    (tmp_path / "boxbridge.toml").write_text(
        f'[server]\nlisten = "0.0.0.0:{receiver.server_port}"\n'
        '[output.broker]\ntype = "mqtt"\npassword = "${NOT_SET_HERE}"\n'
    )
    assert send(tmp_path, "-", stdin=b"{}").returncode == 0
    assert receiver.pushes == [("/dataPush/DataReportCB", b"{}")]


def test_without_an_address_a_wrong_listener_in_the_configuration_is_said(tmp_path: Path) -> None:
    (tmp_path / "boxbridge.toml").write_text("[server]\nlisten = 8600\n")
    done = send(tmp_path, "-", stdin=b"{}")
    assert done.returncode == 78
    assert b"boxbridge.toml:2:10  server.listen: 8600 is not text" in done.stderr


@pytest.mark.parametrize(
    ("status", "answer", "shown"),
    [
        (400, b'{"code": 1, "message": "not JSON"}', "HTTP 400  code 1  not JSON"),
        (200, b'{"code": 7, "message": "no"}', "HTTP 200  code 7  no"),
        (503, b"busy", "HTTP 503  'busy'"),
        (500, b'{"code": 0}', "HTTP 500  code 0"),
    ],
)
def test_a_refusal_is_shown_and_exits_with_1(
    status: int, answer: bytes, shown: str, receiver: Receiver, tmp_path: Path
) -> None:
    receiver.answer = (status, answer)
    done = send(tmp_path, "-", "--to", receiver.url, stdin=b"{}")
    assert done.returncode == 1
    assert done.stdout.decode().startswith(shown)


def test_an_answer_in_another_form_is_success_by_its_status(receiver: Receiver, tmp_path: Path) -> None:
    receiver.answer = (200, b"OK")
    assert send(tmp_path, "-", "--to", receiver.url, stdin=b"<xml/>").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "stdin", "got"),
    [
        (["-", "--ws", "--to", "http://HOST/a?b=c"], b'{"a": "\xe8\xbd\xa6"}', ("/a?b=c", '{"a": "车"}')),
        (["-", "--to", "ws://HOST"], b"\xb3\xb5", ("/", b"\xb3\xb5")),
    ],
    ids=["asked for", "by its address"],
)
def test_a_body_is_sent_as_a_websocket_message(
    tmp_path: Path, arguments: list[str], stdin: bytes, got: tuple[str, str | bytes]
) -> None:
    messages = []

    def answer(connection: ServerConnection) -> None:
        for message in connection:
            messages.append((connection.request and connection.request.path, message))
            connection.send(SUCCESS, text=True)

    with serve(answer, "127.0.0.1", 0) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        host = f"127.0.0.1:{server.socket.getsockname()[1]}"
        done = send(tmp_path, *(argument.replace("HOST", host) for argument in arguments), stdin=stdin)
        server.shutdown()
        thread.join()
    assert messages == [got]
    assert done.stdout.decode().startswith("WebSocket  code 0  success  ")
    assert done.returncode == 0


def test_a_server_that_speaks_no_websocket_exits_with_69(receiver: Receiver, tmp_path: Path) -> None:
    done = send(tmp_path, "-", "--ws", "--to", receiver.url, stdin=b"{}")
    assert done.returncode == 69
    assert b"no answer" in done.stderr


@pytest.mark.parametrize(
    "answer", [b"<html>It works!</html>", b"{}", b'{"code": 0}', SUCCESS.replace(b"Optimize", b"")]
)
def test_a_web_server_that_answers_anything_has_not_taken_the_vendor_s_push(
    answer: bytes, receiver: Receiver, tmp_path: Path
) -> None:
    receiver.answer = (200, answer)
    done = send(tmp_path, "--to", receiver.url)
    assert done.returncode == 1
    assert b"no answer to a push: it would have wsKey eventCreateOptimizeResult and code 0" in done.stdout


def test_nobody_there_exits_with_69(tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
    done = send(tmp_path, "-", "--to", f"http://127.0.0.1:{port}", stdin=b"{}")
    assert done.returncode == 69
    assert done.stderr.decode() == f"http://127.0.0.1:{port}: no answer: Connection refused\n"


@pytest.mark.parametrize("url", ["ftp://127.0.0.1", "127.0.0.1:8600", "http://127.0.0.1:99999", "http://127.0.0.1/a b"])
def test_what_is_no_address_is_a_usage_error(url: str, tmp_path: Path) -> None:
    done = send(tmp_path, "-", "--to", url, stdin=b"{}")
    assert done.returncode == 2
    assert url in done.stderr.decode()


def test_a_file_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    done = send(tmp_path, "none.json")
    assert done.returncode == 2
    assert b"none.json" in done.stderr
