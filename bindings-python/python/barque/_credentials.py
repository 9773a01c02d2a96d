"""Credentials of one call: given as they are, or by whoever is asked for them."""

from __future__ import annotations

from collections.abc import Awaitable
from inspect import isawaitable
from typing import TYPE_CHECKING, Callable, Optional, Union

if TYPE_CHECKING:
    from . import _types as t

    Credentials = Union[t.AuthConfig, Callable[[str], Optional[t.AuthConfig]], None]
    """Credentials, or a function that is called with the image's name (or a search's term) and gives some, or `None`."""

    AsyncCredentials = Union[Credentials, Callable[[str], Awaitable[Optional[t.AuthConfig]]]]
    """The same; the function may also be a coroutine's."""


def credentials(given: Credentials, name: str) -> Optional[t.AuthConfig]:
    """What is given for this name."""
    return given(name) if callable(given) else given


async def credentials_async(given: AsyncCredentials, name: str) -> Optional[t.AuthConfig]:
    """What is given for this name."""
    found = given(name) if callable(given) else given
    return await found if isawaitable(found) else found
