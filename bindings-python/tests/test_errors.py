"""Errors are docker-py's classes, say what they are about, and survive pickling."""

import copy
import pickle

import pytest

from barque import errors

DOCUMENT = {
    "kind": "not_found",
    "code": -5,
    "status": 404,
    "reason": "not_found",
    "subject": {"type": "container", "id": "web"},
    "message": "No such container: web",
    "causes": ["it was removed"],
    "errno": None,
}


def made(**changes):
    return errors.from_document({**DOCUMENT, **changes})


def test_an_error_says_what_it_is_about_and_why():
    error = made()
    assert isinstance(error, errors.NotFound) and isinstance(error, errors.APIError)
    assert (error.kind, error.code, error.status_code) == ("not_found", -5, 404)
    assert error.object == ("container", "web")
    assert error.explanation == "No such container: web"
    assert str(error) == "No such container: web: it was removed"
    assert error.is_client_error() and not error.is_server_error()


def test_a_missing_image_is_a_class_of_its_own():
    assert type(made(subject={"type": "image", "id": "x"})) is errors.ImageNotFound
    assert issubclass(errors.ImageNotFound, errors.NotFound)


@pytest.mark.parametrize("kind, error", sorted(errors._CLASSES.items()))
def test_every_kind_has_its_class(kind, error):
    assert type(made(kind=kind, subject=None)) is error


def test_every_kind_of_the_table_in_the_manual_has_a_class():
    from conftest import REPOSITORY

    rows = (REPOSITORY / "docs/errors.md").read_text().splitlines()
    kinds = {row.split("`")[1] for row in rows if row.startswith("| `")}
    assert kinds == set(errors._CLASSES)


def test_a_kind_of_a_newer_engine_is_still_an_error():
    assert type(made(kind="something_new", subject=None)) is errors.APIError


def test_a_timeout_is_a_timeout_error_and_a_wrong_value_a_value_error():
    assert isinstance(made(kind="timeout"), TimeoutError)
    assert isinstance(made(kind="invalid_argument"), ValueError)
    assert errors.DockerException is errors.BarqueError


@pytest.mark.parametrize("kind", sorted(errors._CLASSES))
def test_errors_survive_pickling_and_copying(kind):
    error = made(kind=kind, errno=28)
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(again) is type(error) and str(again) == str(error)
        assert (again.object, again.errno, again.reason) == (error.object, 28, error.reason)


def test_a_container_error_has_docker_pys_shape_and_survives_pickling():
    error = errors.ContainerError(None, 137, ["sleep", "1"], "hello", b"oops\n", "oom-killed")
    assert str(error) == (
        "Command '['sleep', '1']' in image 'hello' returned non-zero exit status 137 (oom-killed): oops"
    )
    again = pickle.loads(pickle.dumps(error))
    assert (again.exit_status, again.stderr, again.image) == (137, b"oops\n", "hello")
    assert str(again) == str(error)


def test_the_engine_raises_them(opened):
    with pytest.raises(errors.InvalidArgument) as raised:
        opened.api.container_create({"Image": "hello", "HostConfig": {"Memroy": 1}})
    assert raised.value.reason == "unknown_field"
    assert "did you mean Memory?" in str(raised.value)
    with pytest.raises(errors.NotFound) as raised:
        opened.api.call("container.paint")
    assert raised.value.object == ("operation", "container.paint")
