"""Images: `client.images` and what it gives."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Callable, Optional, Union, cast

from .._build import BuildOptions, Files, build_document, keeps_image
from .._credentials import credentials
from .._input import Data, opened
from .._streams import CancellableStream, Uncopyable, data_of
from ..errors import InvalidArgument
from .resource import ImageSnapshot, filters_document, reference, search_document

if sys.version_info >= (3, 12):
    from typing import Unpack
elif TYPE_CHECKING:
    from typing_extensions import Unpack

if TYPE_CHECKING:
    import builtins

    from .. import _types as t
    from .._credentials import Credentials
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

    def save(
        self, chunk_size: Optional[int] = None, named: Union[str, bool] = False
    ) -> CancellableStream[bytes]:
        """Save it: an iterator of an archive's bytes. `named`: with one of its names, or with that name.

        `chunk_size` is docker-py's and changes nothing: pieces come as the engine reads them.
        """
        name = self.id
        if isinstance(named, str):
            if named not in self.tags:
                raise InvalidArgument(f"{named} is not a valid tag for this image")
            name = named
        elif named and self.tags:
            name = self.tags[0]
        return self.client.images.save([name])

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

    def build(
        self,
        path: Optional[Union[Data, Files]] = None,
        *,
        progress: Optional[Callable[[t.Progress], object]] = None,
        **options: Unpack[BuildOptions],
    ) -> tuple[Image, builtins.list[t.Progress]]:
        """Build an image from a Dockerfile; the image and how it went.

        `path` is the build context: a directory, a tar archive (a path, its bytes, a file, an iterable of bytes), or files in
        memory (`{"Dockerfile": "FROM …"}`). `fileobj` is a Dockerfile that needs none, or with `custom_context` the archive, as in
        docker-py. `progress` is called with each line. With `outputs` what was built goes there; where that is no image of this
        engine, what comes back has an `id` and nothing else.
        """
        request, context = build_document(path, options)
        told: builtins.list[t.Progress] = []
        with ExitStack() as stack:
            if context is not None:
                request["Context"] = stack.enter_context(opened(context))
            lines = stack.enter_context(self.client.api.image_build(request))
            for line in lines:
                told.append(line)
                if progress is not None:
                    progress(line)
            built = lines.wait()
            if keeps_image(request):
                return self.get(built["Id"]), told
            # Of one that went elsewhere there is nothing to ask here.
            return Image({"Id": built["Id"]}, self.client), told

    def check(
        self, path: Optional[Union[Data, Files]] = None, **options: Unpack[BuildOptions]
    ) -> builtins.list[t.BuildCheck]:
        """What the Dockerfile could do better, as `docker build --check` says it: nothing is built."""
        request, context = build_document(path, options)
        request["Check"] = True
        with ExitStack() as stack:
            if context is not None:
                request["Context"] = stack.enter_context(opened(context))
            return stack.enter_context(self.client.api.image_build(request)).wait()["Checks"]

    def pull(
        self,
        repository: str,
        tag: Optional[str] = None,
        *,
        platform: Optional[str] = None,
        auth_config: Credentials = None,
        policy: str = "always",
        progress: Optional[Callable[[t.Progress], object]] = None,
    ) -> Image:
        """Fetch an image from its registry; it is there when this returns.

        `policy`: `always`, `missing` (only when it is not here) or `never`. `progress` is called with each line. `auth_config` are
        credentials, or a function that gives them for the image's name.
        """
        name = reference(repository, tag)
        request: t.ImagePull = {
            "Name": name,
            "Platform": platform or "",
            "Auth": credentials(auth_config, name),
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
        auth_config: Credentials = None,
        progress: Optional[Callable[[t.Progress], object]] = None,
    ) -> t.ImagePushed:
        """Bring an image to its registry; it is there when this returns. `progress` is called with each line."""
        name = reference(repository, tag)
        request: t.ImagePush = {
            "Name": name,
            "AllTags": all_tags,
            "Auth": credentials(auth_config, name),
        }
        with self.client.api.image_push(request) as lines:
            for line in lines:
                if progress is not None:
                    progress(line)
            return lines.wait()

    def search(
        self,
        term: str,
        limit: int = 0,
        *,
        filters: Optional[dict[str, Any]] = None,
        auth_config: Credentials = None,
    ) -> builtins.list[t.SearchResult]:
        """Search a registry (`registry.example/term`, else Docker Hub) for repositories: at most `limit`, 25 if it is 0."""
        return self.client.api.image_search(search_document(term, limit, filters, credentials(auth_config, term)))

    def save(self, names: builtins.list[str], platform: str = "") -> CancellableStream[bytes]:
        """Save images to one archive, which docker, podman and skopeo load too: an iterator of its bytes.

        It is whole only when the iterator ends without raising.
        """
        stream = self.client.api.image_save({"Names": [*names], "Platform": platform})
        return CancellableStream(stream, data_of)

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

    def prune_builds(
        self,
        filters: Optional[dict[str, Any]] = None,
        keep_storage: Optional[int] = None,
        all: bool = False,
        dry_run: bool = False,
        *,
        max_used_space: int = 0,
        min_free_space: int = 0,
    ) -> t.BuilderPruned:
        """Remove what builds have left and no image has; `all`: what images have too.

        With `max_used_space` as much stays of what was used last, with `min_free_space` what leaves that much of the disk free, and at
        least `keep_storage` bytes.
        """
        return self.client.api.builder_prune(
            builder_prune_document(
                filters, keep_storage, all, dry_run, max_used_space, min_free_space
            )
        )

    def prune(
        self, filters: Optional[dict[str, Any]] = None, dry_run: bool = False
    ) -> t.ImagesPruned:
        """Remove those without a tag that no container stands on; `{"dangling": False}`: those with one too."""
        return self.client.api.image_prune(
            {"Filters": filters_document(filters), "DryRun": dry_run}
        )


def builder_prune_document(
    filters: Optional[dict[str, Any]],
    keep_storage: Optional[int],
    all: bool,
    dry_run: bool,
    max_used_space: int,
    min_free_space: int,
) -> t.BuilderPrune:
    """The request to remove what builds have left in their cache."""
    return {
        "All": all,
        "Filters": filters_document(filters),
        "ReservedSpace": keep_storage or 0,
        "MaxUsedSpace": max_used_space,
        "MinFreeSpace": min_free_space,
        "DryRun": dry_run,
    }
