"""docker-py's `images.build`: from directories, archives and Dockerfiles."""

import asyncio
import io
import tarfile
import time

import pytest

import barque
from barque import aio
from barque._build import FIELDS, BuildOptions
from barque.errors import BarqueError, InvalidArgument

DOCKERFILE = """
FROM busybox
ARG WHO=nobody
COPY file /file
RUN echo "to $WHO" >&2 && echo "$WHO" > /who
CMD ["cat", "/who", "/file"]
"""


@pytest.fixture
def context(tmp_path, busybox):
    (tmp_path / "Dockerfile").write_text(DOCKERFILE)
    (tmp_path / "file").write_text("content\n")
    return tmp_path


def archive_of(context):
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name in ("Dockerfile", "file"):
            tar.add(context / name, name)
    return archive.getvalue()


def output(lines):
    return "".join(line["step"].get("output", "") for line in lines if line["status"] == "Log")


def test_a_directory_is_built_and_an_archive_of_it_comes_from_the_cache(client, context):
    seen = []
    image, lines = client.images.build(
        context, tag="who:1", buildargs={"WHO": "world"}, labels={"a": "b"}, progress=seen.append
    )
    assert lines == seen and "to world\n" in output(lines)
    assert image.tags == ["who:1"] and image.labels["a"] == "b"
    assert client.containers.run("who:1", remove=True) == b"world\ncontent\n"
    options = {"tag": ["who:2", "other"], "buildargs": {"WHO": "world"}, "labels": {"a": "b"}}
    archive = archive_of(context)
    for form in (archive, io.BytesIO(archive), [archive[:1000], archive[1000:]]):
        again, lines = client.images.build(form, **options)
        assert again.id == image.id
        assert "Cached" in [line["status"] for line in lines] and "to world" not in output(lines)
    again, _ = client.images.build(fileobj=io.BytesIO(archive), custom_context=True, **options)
    assert again.id == image.id
    client.images.remove(image.id, force=True)


def test_a_context_is_files_in_memory(client, busybox):
    deep = "deep/" * 30 + "file"
    files = {"Dockerfile": f"FROM busybox\nCOPY . /all\nCMD cat /all/{deep} /all/bytes /all/ünï\n"}
    files |= {deep: "deep\n", "bytes": b"\xff\n", "ünï": "here", "gone": "x", ".dockerignore": "gone\n"}
    image, _ = client.images.build(files, tag="files", rm=True, forcerm=True)
    assert client.containers.run("files", remove=True) == b"deep\n\xff\nhere"
    assert b"gone" not in client.containers.run("files", "ls /all", remove=True)
    again, lines = client.images.build(dict(reversed(files.items())), tag="files")
    assert again.id == image.id and "Cached" in [line["status"] for line in lines]
    assert client.images.check(files) != [] and client.images.check({"Dockerfile": "FROM busybox\n"}) == []
    image.remove(force=True)


def test_a_dockerfile_alone_needs_no_context(client, busybox):
    for form in ("FROM busybox\nENV A=b\n", b"FROM busybox\nENV A=b\n", io.BytesIO(b"FROM busybox\nENV A=b\n")):
        image, _ = client.images.build(fileobj=form, tag="lone")
        assert "A=b" in image.attrs["Config"]["Env"]
    image.remove(force=True)


def test_what_a_step_left_that_failed_is_an_image(client, busybox):
    with pytest.raises(InvalidArgument) as caught:
        client.images.build(fileobj="FROM busybox\nRUN echo half > /left; exit 3\n", keep_failed=True)
    kind, id = caught.value.object
    assert kind == "image" and client.containers.run(id, "cat /left", remove=True) == b"half\n"
    client.images.remove(id)


def test_steps_have_limits_and_names_of_hosts(client, busybox):
    limits = {"pids_limit": 40, "mem_limit": "64m", "shmsize": "1m", "extra_hosts": {"db": "10.9.8.7"}}
    image, lines = client.images.build(fileobj="FROM busybox\nRUN grep db /etc/hosts\n", **limits)
    assert "10.9.8.7" in output(lines)
    image.remove()


def test_a_step_that_fails_says_where_and_what_it_wrote(client, busybox):
    lines = []
    with pytest.raises(InvalidArgument) as caught:
        client.images.build(fileobj="FROM busybox\nRUN echo sorry; exit 3\n", progress=lines.append)
    assert caught.value.reason == "build_step_failed"
    assert "Dockerfile:2: process" in str(caught.value) and "exit code: 3" in str(caught.value)
    assert "sorry\n" in output(lines)
    assert [line["status"] for line in lines][-1] == "Failed"
    assert client.containers.list(all=True) == []


def test_whoever_is_told_of_progress_may_do_anything(client, busybox):
    endless = "FROM busybox\nRUN sleep 60\n"

    class Left(BaseException):
        pass

    for failure in (ZeroDivisionError, Left, KeyboardInterrupt, SystemExit, StopIteration):

        def fails(line, failure=failure):
            raise failure

        begin = time.monotonic()
        with pytest.raises(failure):
            client.images.build(fileobj=endless, progress=fails)
        assert time.monotonic() - begin < 10
    for wrong in (7, "text"):
        with pytest.raises(TypeError):
            client.images.build(fileobj=endless, progress=wrong)
    client.images.build(fileobj="FROM busybox\n", progress=lambda line: client.images.list())
    other = barque.from_env()
    with pytest.raises(ValueError, match="the client is closed"):
        other.images.build(fileobj="FROM busybox\n", progress=lambda line: other.close())
    assert client.containers.list(all=True) == []


def test_a_step_is_given_secrets_and_the_image_is_not(client, busybox, tmp_path):
    (tmp_path / "token").write_text("of a file")
    secrets = {"value": {"Value": "of a text"}, "file": {"Path": str(tmp_path / "token")}}
    dockerfile = """
FROM busybox
RUN --mount=type=secret,id=value,env=VALUE --mount=type=secret,id=file <<END
    test "$VALUE" = "of a text" && test "$(cat /run/secrets/file)" = "of a file"
END
"""
    image, lines = client.images.build(fileobj=dockerfile, tag="given", secrets=secrets)
    assert "VALUE" not in str(image.attrs) and "of a" not in output(lines)
    assert b"run" not in client.containers.run("given", ["ls", "/"], remove=True)
    with pytest.raises(InvalidArgument, match='secret "x": it needs a Path or a Value'):
        client.images.build(fileobj=dockerfile, secrets={"x": {}})
    image.remove(force=True)


def test_wrong_arguments_are_named(client, context):
    with pytest.raises(TypeError, match="nocahce.*nocache"):
        client.images.build(context, nocahce=True)
    with pytest.raises(TypeError, match="one of them"):
        client.images.build(context, fileobj="FROM busybox")
    with pytest.raises(BarqueError, match="Context or a DockerfileText"):
        client.images.build()


def test_every_keyword_has_its_place():
    known = set(BuildOptions.__annotations__)
    assert known == set(FIELDS) | {"custom_context", "fileobj", "forcerm", "rm"}


def test_asyncio_builds_and_cancels(client, context):
    async def work():
        async with aio.from_env() as asynchronous:
            image, lines = await asynchronous.images.build(context, tag="aio", buildargs={"WHO": "aio"})
            assert "to aio\n" in output(lines) and image.tags == ["aio:latest"]
            begun = asyncio.Event()
            loop = asyncio.get_running_loop()

            def progress(line):
                if "begun" in line["step"].get("output", ""):
                    loop.call_soon_threadsafe(begun.set)

            endless = asynchronous.images.build(
                fileobj="FROM busybox\nRUN echo begun; sleep 600\n", progress=progress
            )
            task = asyncio.ensure_future(endless)
            await asyncio.wait_for(begun.wait(), 60)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(work())
    assert client.containers.list(all=True) == []
    client.images.remove("aio", force=True)
