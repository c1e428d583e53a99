"""`boxbridge unknown`: what nothing understood, why, and trying it again once it should be."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click

from bridge.cli.client import Client
from bridge.cli.language import lang_option
from bridge.cli.options import config_option, json_option
from bridge.cli.screen import show, show_json
from bridge.errors import BadData, FileTrouble, UsageError
from bridge.words import local, padded, say, translated
from bridge.words.bodies import beginning


@click.group("unknown")
def unknown_command() -> None:
    """Pushes that nothing understood: what a box sent, and why it was refused."""


@unknown_command.command("list")
@lang_option
@json_option
@config_option
def list_command(lang: str, as_json: bool, config: Path | None) -> None:
    """List them, the newest first."""
    answer = Client(config).get("/api/v1/unknown").json()
    zone = ZoneInfo(answer["timezone"])
    for push in answer["pushes"]:
        if as_json:
            show_json(push)
        else:
            size = say(lang, "push size", bytes=push["size"])
            received, reason = local(push["received"], zone), translated(lang, push["reason"])
            show(f"{push['number']:>6}  {received}  {push['peer']}  {size}   {reason}")
    if not answer["pushes"] and not as_json:
        print(say(lang, "no unknown"))


@unknown_command.command("show")
@click.argument("number", type=int)
@lang_option
@json_option
@config_option
def show_command(number: int, lang: str, as_json: bool, config: Path | None) -> None:
    """Show what is known of push NUMBER, and the beginning of its body."""
    client = Client(config)
    answer = client.get("/api/v1/unknown").json()
    push = next((push for push in answer["pushes"] if push["number"] == number), None)
    if push is None:
        raise BadData(f"there is no push {number} that was not understood: boxbridge unknown list")
    if as_json:
        show_json(push)
        return
    show(*_page(push, ZoneInfo(answer["timezone"]), lang), "")
    text, goes_on = beginning(client.get(f"/api/v1/unknown/{number}").content, lang)
    show(*text.splitlines())
    if goes_on:
        show(say(lang, "goes on", number=number))


@unknown_command.command("save")
@click.argument("number", type=int)
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write there; else to stdout.")
@config_option
def save_command(number: int, output: Path | None, config: Path | None) -> None:
    """Save the body of push NUMBER as it came, for `boxbridge send FILE` or a test; its folder is made."""
    content = Client(config).get(f"/api/v1/unknown/{number}").content
    if output is None:
        sys.stdout.buffer.write(content)
        return
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_bytes(content)
    except OSError as error:
        raise FileTrouble(f"{output}: {error.strerror}") from error


@unknown_command.command("retry")
@click.argument("numbers", nargs=-1, type=int)
@click.option("--all", "all_", is_flag=True, help="All of them, the oldest first.")
@lang_option
@config_option
def retry_command(numbers: tuple[int, ...], all_: bool, lang: str, config: Path | None) -> None:
    """Take pushes NUMBERS as if they came again, after a change that should make them understood.

    Exit code 1 where one of them still is not.
    """
    if bool(numbers) == all_:
        raise UsageError("say which pushes: numbers, or --all")
    tried = Client(config).post("/api/v1/unknown/retry", numbers=numbers, all=all_).json()
    for one in tried:
        told = "understood" if one["understood"] else "not understood"
        show(say(lang, told, number=one["number"], peer=one["peer"], answer=one["answer"]))
    if not tried:
        print(say(lang, "no unknown"))
    click.get_current_context().exit(0 if all(one["understood"] for one in tried) else 1)


def _page(push: dict[str, Any], zone: ZoneInfo, lang: str) -> list[str]:
    query = f"?{push['query']}" if push["query"] else ""
    facts = {
        "received": local(push["received"], zone),
        "peer": push["peer"],
        "reason": translated(lang, push["reason"]),
        "request": f"{push['method']} {push['path']}{query}",
        "size": say(lang, "push size", bytes=push["size"]),
    }
    lines = [f"  {padded(say(lang, f'title {key}'), 13)}{fact}" for key, fact in facts.items()]
    headers = [f"  {padded('', 13)}{name}: {value}" for name, value in push["headers"].items()]
    return [say(lang, "unknown push", number=push["number"]), *lines, *headers]
