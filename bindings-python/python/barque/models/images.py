"""Images: `client.images` and what it gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Optional, Union, cast

from .._input import Data, opened
from .._streams import Uncopyable
from .resource import ImageSnapshot, filters_document, reference

if TYPE_CHECKING:
    import builtins

    from .. import _types as t
    from ..client import Client


class Image(ImageSnapshot):
    """An image."""

    def __init__(self, attrs: dict[str, Any], client: Client) -> None:
        self.attrs = attrs
        self.client = client
        """The client it came from."""

    def reload(self) -> None:
        """Get the document again."""
        self.attrs = cast("dict[str, Any]", self.client.api.image_inspect({"Name": self.id}))

    def history(self) -> list[t.HistoryRow]:
        """The instructions it was made by, newest first."""
        return self.client.api.image_history({"Name": self.id})

    def tag(self, repository: str, tag: Optional[str] = None) -> bool:
        """Give it another name."""
        self.client.api.image_tag({"Name": self.id, "Reference": reference(repository, tag)})
        return True

    def remove(self, force: bool = False, noprune: bool = False) -> list[t.ImageRemoved]:
        """Remove it with its names; what was untagged and deleted."""
        return self.client.images.remove(self.id, force, noprune)


class ImageCollection(Uncopyable):
    """All images."""

    def __init__(self, client: Client) -> None:
        self.client = client
        """The client it belongs to."""

    def get(self, name: str) -> Image:
        """The image of that name, digest or id."""
        attrs = self.client.api.image_inspect({"Name": name})
        return Image(cast("dict[str, Any]", attrs), self.client)

    def list(
        self,
        name: Optional[str] = None,
        all: bool = False,
        filters: Optional[dict[str, Any]] = None,
    ) -> builtins.list[Image]:
        """The images; `name`: those that have it (`*` matches)."""
        wanted = filters_document(filters)
        if name is not None:
            wanted.setdefault("reference", []).append(name)
        rows = self.client.api.image_list({"All": all, "Filters": wanted})
        return [self.get(row["Id"]) for row in rows]

    def load(self, data: Data) -> builtins.list[Image]:
        """Load images from an archive of `docker save`, an OCI archive or an OCI layout directory."""
        with opened(data) as source:
            loaded = self.client.api.image_load({"Input": source})
        return [self.get(image["Id"]) for image in loaded["Images"]]

    def pull(
        self,
        repository: str,
        tag: Optional[str] = None,
        *,
        platform: Optional[str] = None,
        auth_config: Optional[t.AuthConfig] = None,
        policy: str = "always",
        progress: Optional[Callable[[t.Progress], object]] = None,
    ) -> Image:
        """Fetch an image from its registry; it is there when this returns.

        `policy`: `always`, `missing` (only when it is not here) or `never`. `progress` is called with each line.
        """
        request: t.ImagePull = {
            "Name": reference(repository, tag),
            "Platform": platform or "",
            "Auth": auth_config,
            "Policy": policy,
        }
        with self.client.api.image_pull(request) as lines:
            for line in lines:
                if progress is not None:
                    progress(line)
            return self.get(lines.wait()["Id"])

    def push(
        self,
        repository: str,
        tag: Optional[str] = None,
        *,
        all_tags: bool = False,
        auth_config: Optional[t.AuthConfig] = None,
        progress: Optional[Callable[[t.Progress], object]] = None,
    ) -> t.ImagePushed:
        """Bring an image to its registry; it is there when this returns. `progress` is called with each line."""
        request: t.ImagePush = {
            "Name": reference(repository, tag),
            "AllTags": all_tags,
            "Auth": auth_config,
        }
        with self.client.api.image_push(request) as lines:
            for line in lines:
                if progress is not None:
                    progress(line)
            return lines.wait()

    def import_(
        self,
        data: Data,
        repository: str = "",
        tag: Optional[str] = None,
        changes: Optional[builtins.list[str]] = None,
        message: str = "",
        platform: str = "",
    ) -> Image:
        """Make an image of one layer from a root file system: a tar archive or a directory."""
        with opened(data) as source:
            created = self.client.api.image_import(
                {
                    "Input": source,
                    "Reference": reference(repository, tag),
                    "Changes": [*(changes or ())],
                    "Message": message,
                    "Platform": platform,
                }
            )
        return self.get(created["Id"])

    def remove(
        self, image: Union[str, Image], force: bool = False, noprune: bool = False
    ) -> builtins.list[t.ImageRemoved]:
        """Remove a name, and the image when that was its last; what was untagged and deleted."""
        name = image.id if isinstance(image, Image) else image
        return self.client.api.image_remove({"Name": name, "Force": force, "NoPrune": noprune})

    def prune(
        self, filters: Optional[dict[str, Any]] = None, dry_run: bool = False
    ) -> t.ImagesPruned:
        """Remove those without a tag that no container stands on; `{"dangling": False}`: those with one too."""
        return self.client.api.image_prune(
            {"Filters": filters_document(filters), "DryRun": dry_run}
        )
