"""Numbers in what people ask for. Python refuses to read thousands of digits, and the index more than 64 bits."""

from __future__ import annotations

from typing import Final

from starlette.convertors import IntegerConvertor, register_url_convertor

_DIGITS: Final = 18


def is_number(text: str) -> bool:
    """Whether `int` reads it, and the index takes it."""
    return text.isdecimal() and len(text) <= _DIGITS


class _Number(IntegerConvertor):
    regex = f"[0-9]{{1,{_DIGITS}}}"


register_url_convertor("number", _Number())
NUMBER: Final = "{number:number}"
"""A number in the path of a route."""
