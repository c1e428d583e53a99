"""The page of the outputs: how each stands in words and figures; pausing, resuming and trying one."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from msgspec.structs import asdict
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bridge.control.console.site import Asked, Site, language
from bridge.control.outputs import NewName, OutputReport, act_on, oldest_waiting, reports
from bridge.control.trial import try_out
from bridge.figures import SECONDS, Histogram
from bridge.words import say, span
from bridge.words.telling import output_state


def routes(site: Site) -> list[Route]:
    """The page, and what can be done to an output there."""
    house = site.house

    async def show(request: Request, said: str = "") -> Response:
        lang = language(request)
        shown = [await _output(site, report, lang) for report in reports(house)]
        return site.page(request, "outputs", said=said, outputs=shown)

    async def act(request: Request, _: Asked) -> str:
        return await act_on(house, request.path_params["name"], request.path_params["action"], NewName())

    async def test(request: Request, _: Asked) -> str:
        sample = await asyncio.to_thread(_sample)
        tried = await try_out(house, request.path_params["name"], sample)
        return say(
            language(request), "tried", output=tried.output, event=tried.event, milliseconds=tried.seconds * 1000
        )

    return [
        Route("/outputs", site.shown(show)),
        Route("/outputs/{name}/test", site.changing(test, show), methods=["POST"]),
        Route("/outputs/{name}/{action}", site.changing(act, show), methods=["POST"]),
    ]


def _sample() -> bytes:
    """A push whose picture is drawn, which takes its time, and so does what draws it."""
    from bridge.testing import sample_push  # noqa: PLC0415 - it costs a megabyte until somebody asks

    return sample_push(kind="test", device="boxbridge-test", targets=2)


async def _output(site: Site, report: OutputReport, lang: str) -> dict[str, Any]:
    house = site.house
    cursor, figures = house.journal.cursors[report.name], house.dispatcher.figures[report.name]
    oldest = await oldest_waiting(house.journal, cursor)
    since = "" if report.since is None else span(lang, time.time() - report.since)
    return asdict(report) | {
        "words": output_state(asdict(report), lang, since),
        "oldest": None if oldest is None else time.time() - oldest,
        "rate": 60 * figures.delivered / max(1.0, time.time() - house.started),  # events a minute
        "usual": _quantile(figures.seconds, 0.5),
        "slow": _quantile(figures.seconds, 0.95),
    }


def _quantile(histogram: Histogram, part: float) -> str | None:
    """Within how many milliseconds so large a part of the deliveries was done; None where there were none."""
    if not histogram.count:
        return None
    passed = 0
    for bound, count in zip(SECONDS, histogram.buckets, strict=False):
        passed += count
        if passed >= part * histogram.count:
            return f"≤ {bound * 1000:g} ms"
    return f"> {SECONDS[-1]:g} s"
