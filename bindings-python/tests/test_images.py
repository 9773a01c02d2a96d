"""docker-py's images, from bytes, files, paths and iterables."""

import io
import os
import pathlib
import tarfile

import pytest

import barque
from barque.errors import ImageNotFound


def root_file_system(text=b"ahoy"):
    """A tar of one file."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        entry = tarfile.TarInfo("etc/greeting")
        entry.size = len(text)
        tar.addfile(entry, io.BytesIO(text))
    return archive.getvalue()


def forms(data, path):
    path.write_bytes(data)
    real = open(path, "rb")
    ahead = open(path, "rb")
    ahead.read(10)
    ahead.seek(0)
    return {
        "bytes": data,
        "bytearray": bytearray(data),
        "file": real,
        "file that read ahead": ahead,
        "BytesIO": io.BytesIO(data),
        "list": [data[:100], data[100:]],
        "generator": (data[at : at + 1000] for at in range(0, len(data), 1000)),
        "str": str(path),
        "Path": pathlib.Path(path),
    }


def test_an_image_comes_from_any_form_of_the_archive(client, tmp_path):
    ids = set()
    for name, form in forms(root_file_system(), tmp_path / "root.tar").items():
        image = client.images.import_(form, "greeting", "v1")
        ids.add(image.attrs["RootFS"]["Layers"][0])
        assert image.tags == ["greeting:v1"], name
        if hasattr(form, "close"):
            form.close()
    assert len(ids) == 1
    client.images.remove("greeting:v1")


def test_a_descriptor_stays_open_and_stands_at_its_own_place(client, tmp_path):
    path = tmp_path / "root.tar"
    path.write_bytes(b"junk" + root_file_system())
    with open(path, "rb") as file:
        file.seek(4)
        image = client.images.import_(file, "offset")
        os.fstat(file.fileno())
    image.remove()


def test_a_directory_is_a_root_file_system(client, tmp_path):
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/greeting").write_text("ahoy")
    image = client.images.import_(tmp_path, "directory", changes=["LABEL a=b"], message="made here")
    assert image.labels == {"a": "b"} and image.history()[0]["Comment"] == "made here"
    image.remove()


def docker_archive():
    """What `docker save` writes: one image of one layer."""
    import hashlib
    import json

    layer = root_file_system()
    diff = "sha256:" + hashlib.sha256(layer).hexdigest()
    config = json.dumps(
        {
            "architecture": {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine],
            "os": "linux",
            "config": {"Cmd": ["true"], "Labels": {"from": "test"}},
            "rootfs": {"type": "layers", "diff_ids": [diff]},
            "history": [{"created_by": "test"}],
        }
    ).encode()
    name = hashlib.sha256(config).hexdigest() + ".json"
    manifest = json.dumps(
        [{"Config": name, "RepoTags": ["saved:v1"], "Layers": ["layer.tar"]}]
    ).encode()
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for path, data in ((name, config), ("layer.tar", layer), ("manifest.json", manifest)):
            entry = tarfile.TarInfo(path)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return archive.getvalue()


def test_load_gives_the_images_of_an_archive(client, tmp_path):
    for name, form in forms(docker_archive(), tmp_path / "saved.tar").items():
        (image,) = client.images.load(form)
        assert (image.tags, image.labels) == (["saved:v1"], {"from": "test"}), name
        assert image.short_id == image.id[:19]
        if hasattr(form, "close"):
            form.close()
    client.images.remove("saved:v1")


def test_an_image_has_docker_pys_methods(client):
    image = client.images.import_(root_file_system(), "methods", "v1")
    assert image.tag("methods", "v2")
    image.reload()
    assert sorted(image.tags) == ["methods:v1", "methods:v2"]
    assert client.images.get("methods:v2") == image
    assert image in client.images.list() and image in client.images.list("methods")
    assert image not in client.images.list(name="nonesuch")
    removed = client.images.remove("methods:v1")
    assert removed == [{"Untagged": "methods:v1"}]
    assert {"Deleted": image.id} in client.images.remove(image, force=True)
    with pytest.raises(ImageNotFound) as raised:
        client.images.get("methods:v2")
    assert raised.value.object[0] == "image"


@pytest.mark.parametrize("data", [b"", b"not a tar" * 200, b"\x1f\x8b\x08broken"], ids=["empty", "junk", "gzip"])
def test_a_bad_archive_is_an_error_and_leaves_nothing(client, data):
    before = {image.id for image in client.images.list(all=True)}
    with pytest.raises(barque.BarqueError):
        client.images.load(data)
    assert {image.id for image in client.images.list(all=True)} == before


def test_wrong_sources_are_errors(client, tmp_path):
    with pytest.raises(barque.BarqueError, match="nonesuch"):
        client.images.load(tmp_path / "nonesuch")
    with pytest.raises(TypeError):
        client.images.load(3)
    with pytest.raises(TypeError):
        client.images.load(["text"])

    def failing():
        yield b"x"
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        client.images.load(failing())


def test_the_system_is_described(client):
    assert client.version()["Version"] == barque.__version__
    assert client.info()["ServerVersion"] == barque.__version__
    assert client.df()["LayersSize"] >= 0
    assert client.ping()
