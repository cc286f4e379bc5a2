import json

import pytest

from evolvent.errors import UsageError
from evolvent.testing.suite_conformance import check_suite
from evolvent.types import Split
from evolvent_plugins.suite_file import FileSuite


def write(tmp_path, *lines):
    path = tmp_path / "tasks.jsonl"
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines))
    return str(path)


def row(prompt, **more):
    return {"prompt": prompt, "evaluator": "exact", "reference": "x", **more}


def all_tasks(suite):
    return [task for split in Split for family in suite.families for task in suite.tasks(split, family)]


def test_it_keeps_the_contract_of_suites(tmp_path):
    path = write(tmp_path, *[row(f"Question {n}", family="ab"[n % 2]) for n in range(60)])
    check_suite(lambda: FileSuite(path), tasks_each=100)


def test_all_fields_are_taken(tmp_path):
    full = row("Q", inputs={"n": [1, None]}, family="f", split="gate", id="my-1", reference={"value": 1})
    (task,) = all_tasks(FileSuite(write(tmp_path, full, "", "  ")))
    assert (task.id, task.prompt, task.inputs, task.family, task.split) == (
        "my-1",
        "Q",
        {"n": [1, None]},
        "f",
        Split.GATE,
    )
    assert (task.evaluator, task.reference) == ("exact", {"value": 1})


def test_inputs_of_unknown_origin_are_named_and_old_files_keep_their_digest(tmp_path):
    plain, marked = row("Q", inputs={"mail": "Dear"}), row("Q", inputs={"mail": "Dear"}, untrusted=["mail"])
    suite = FileSuite(write(tmp_path, marked))
    assert all_tasks(suite)[0].untrusted == ("mail",)
    before = FileSuite(write(tmp_path, plain)).digest()
    assert before == "abf3dd215627370e", "as version 0.1 wrote it"
    assert suite.digest() != before
    with pytest.raises(
        UsageError, match="tasks.jsonl:1: the field 'untrusted' names 'post', which is no input"
    ):
        FileSuite(write(tmp_path, {**marked, "untrusted": ["post"]}))


def test_without_a_split_half_is_train_and_a_quarter_each_gate_and_sealed(tmp_path):
    suite = FileSuite(write(tmp_path, *[row(f"Question {n}") for n in range(400)]))
    counts = [len(list(suite.tasks(split, "tasks"))) for split in Split]
    assert sum(counts) == 400
    assert counts == pytest.approx([200, 100, 100], abs=30)


def test_a_task_keeps_id_and_split_when_the_file_is_moved_and_reordered(tmp_path):
    rows = [row(f"Question {n}") for n in range(10)]
    first = FileSuite(write(tmp_path, *rows))
    (tmp_path / "other").mkdir()
    second = FileSuite(write(tmp_path / "other", *reversed(rows)))
    assert {(t.id, t.split) for t in all_tasks(first)} == {(t.id, t.split) for t in all_tasks(second)}


def test_every_bad_line_is_named_with_its_number_and_what_is_wrong(tmp_path):
    path = write(
        tmp_path,
        row("fine"),
        '{"prompt": "x"',
        "[1]",
        {"prompt": "x", "reference": 1},
        row("x", splitt="train"),
        row("x", split="test"),
        row(""),
        '{"prompt": "x", "evaluator": "exact", "reference": NaN}',
        row("fine"),
    )
    with pytest.raises(UsageError) as caught:
        FileSuite(path)
    message = str(caught.value)
    for text in (
        "8 lines",
        f"{path}:2: not JSON",
        f"{path}:3: a JSON object is needed",
        f"{path}:4: the field 'evaluator' is missing",
        f"{path}:5: the field 'splitt' is unknown",
        f"{path}:6: the field 'split'",
        f"{path}:7: the field 'prompt'",
        f"{path}:8: not JSON: NaN",
        f"{path}:9: the same task as on line 1",
    ):
        assert text in message
    assert f"{path}:1:" not in message


def test_only_the_first_ten_bad_lines_are_shown(tmp_path):
    with pytest.raises(UsageError, match="and 5 more") as caught:
        FileSuite(write(tmp_path, *["{"] * 15))
    assert str(caught.value).count("not JSON") == 10


@pytest.mark.parametrize("content", [b"", b"\n\n"])
def test_an_empty_file_says_what_a_line_looks_like(tmp_path, content):
    path = tmp_path / "tasks.jsonl"
    path.write_bytes(content)
    with pytest.raises(UsageError, match="holds no task"):
        FileSuite(str(path))


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"absent\.jsonl.*cannot be read"):
        FileSuite(str(tmp_path / "absent.jsonl"))
    (tmp_path / "latin.jsonl").write_bytes(b'{"prompt": "\xe4"}')
    with pytest.raises(UsageError, match="is not UTF-8"):
        FileSuite(str(tmp_path / "latin.jsonl"))


def test_deep_nesting_and_surrogates_do_not_break_the_reader(tmp_path):
    with pytest.raises(UsageError, match=":1: "):
        FileSuite(write(tmp_path, '{"prompt": "x", "evaluator": "e", "reference": ' + "[" * 100_000))
    with pytest.raises(UsageError, match=":1: "):
        FileSuite(write(tmp_path, '{"prompt": "\\ud800", "evaluator": "e", "reference": 1}'))
