"""What docker-py's objects have in common: an id and a snapshot of the document, which `reload()` renews."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .._streams import Uncopyable

if TYPE_CHECKING:
    from ..client import Client

M = TypeVar("M", bound="Model")


class Model(Uncopyable):
    """An object of the engine."""

    id_attribute = "Id"

    def __init__(self, attrs: dict[str, Any], client: Client) -> None:
        self.attrs = attrs
        """The document, as it was when this object was made or reloaded."""
        self.client = client
        """The client it came from."""

    @property
    def id(self) -> str:
        """Its id."""
        return str(self.attrs[self.id_attribute])

    @property
    def short_id(self) -> str:
        """The first 12 digits of its id."""
        return self.id[:12]

    def reload(self) -> None:
        """Get the document again."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.short_id}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, type(self)) and self.id == other.id

    def __hash__(self) -> int:
        return hash((type(self).__name__, self.id))


class Collection(Uncopyable, Generic[M]):
    """All objects of a kind."""

    def __init__(self, client: Client) -> None:
        self.client = client
        """The client it belongs to."""


def filters_document(filters: Any) -> dict[str, list[str]]:
    """docker-py's filters, whose values may be one value instead of a list."""

    def values(value: Any) -> list[str]:
        many = value if isinstance(value, (list, tuple, set)) else [value]
        return [str(one).lower() if isinstance(one, bool) else str(one) for one in many]

    return {name: values(value) for name, value in (filters or {}).items()}
