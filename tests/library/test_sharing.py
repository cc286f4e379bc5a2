"""Skills come from and go to others: sources, signatures, trust, evals."""

import io
import json
import os
import subprocess
import tarfile
import zipfile

import minisign
import pytest
import skills_ref
from dulwich import porcelain

from evolvent.errors import IntegrityError, UsageError
from evolvent.library.discovery import discover
from evolvent.library.evals import evals_json, read_evals
from evolvent.library.exporting import export_skill
from evolvent.library.format import draft, read_skill
from evolvent.library.importing import arrive, check_trust
from evolvent.library.signing import manifest, public_key, signer_of, signing_key
from evolvent.library.sources import opened, skill_folders
from evolvent.library.trust import TrustPolicy, TrustRule, load_trust
from evolvent.types import SkillCase, SkillState

SKILL_MD = "---\nname: {name}\ndescription: What and when.\n---\n\n# Body\n"


def lay(root, *names):
    for name in names:
        (root / name).mkdir(parents=True)
        (root / name / "SKILL.md").write_text(SKILL_MD.format(name=name.rpartition("/")[2]))
    return root


@pytest.fixture
def kept(store, backward, admitted):
    cases = tuple(
        SkillCase(question=f"Spell this word backward: {w}", expected=w[::-1]) for w in ("ab", "cd")
    )
    skill = draft(backward).model_copy(update={"cases": cases})
    return store.add(skill, admitted(skill))


def test_skills_are_found_at_and_below_a_folder(tmp_path):
    lay(tmp_path, "one", "group/two", ".agents/skills/three", "one/inside", ".hidden/four")
    with opened(str(tmp_path)) as source:
        assert [p.name for p in skill_folders(source.folder)] == ["three", "two", "one"]
        assert source.origin == f"folder:{tmp_path.name}"
        assert skill_folders(source.folder / "one") == [source.folder / "one"]


@pytest.mark.parametrize("kind", ["zip", "tar.gz", "tar"])
def test_archives_are_unpacked_for_as_long_as_they_are_read(tmp_path, kind):
    lay(tmp_path / "packed", "one", "two")
    form = {"zip": "zip", "tar.gz": "gztar", "tar": "tar"}[kind]
    import shutil

    archive = shutil.make_archive(str(tmp_path / "skills"), form, tmp_path / "packed")
    with opened(archive) as source:
        folder = source.folder
        assert [p.name for p in skill_folders(folder)] == ["one", "two"]
        assert source.origin.startswith(f"archive:skills.{kind}@")
    assert not folder.exists()


def hostile_zip(path, name, content=b"x", mode=None):
    with zipfile.ZipFile(path, "w") as packed:
        info = zipfile.ZipInfo(name)
        if mode:
            info.external_attr = mode << 16
        packed.writestr(info, content)


@pytest.mark.parametrize("name", ["../out.txt", "/out.txt", "a/../../out.txt", "a\\..\\..\\out.txt"])
def test_no_archive_writes_outside_its_folder(tmp_path, name):
    hostile_zip(tmp_path / "a.zip", name)
    with tarfile.open(tmp_path / "a.tar", "w") as packed:
        info = tarfile.TarInfo(name)
        info.size = 1
        packed.addfile(info, io.BytesIO(b"x"))
    for archive in ("a.zip", "a.tar"):
        with pytest.raises(IntegrityError, match="outside its folder"), opened(str(tmp_path / archive)):
            pass
    assert not (tmp_path / "out.txt").exists()


def test_links_in_archives_are_refused(tmp_path):
    hostile_zip(tmp_path / "a.zip", "link", b"/etc/passwd", mode=0o120777)
    with tarfile.open(tmp_path / "a.tar", "w") as packed:
        info = tarfile.TarInfo("link")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        packed.addfile(info)
    for archive in ("a.zip", "a.tar"):
        with pytest.raises(IntegrityError, match="link"), opened(str(tmp_path / archive)):
            pass


def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("evolvent.library.sources.MAX_BYTES", 10_000)
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("big", b"0" * 1_000_000)
    with pytest.raises(IntegrityError, match="allowed"), opened(str(tmp_path / "a.zip")):
        pass


def test_headers_that_unpack_to_too_much_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("evolvent.library.sources.MAX_BYTES", 1_000_000)
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz", format=tarfile.PAX_FORMAT) as packed:
        info = tarfile.TarInfo("x")
        info.pax_headers = {"comment": "0" * 5_000_000}
        packed.addfile(info)
    assert (tmp_path / "a.tar.gz").stat().st_size < 100_000
    with pytest.raises(IntegrityError, match="unpacks to more"), opened(str(tmp_path / "a.tar.gz")):
        pass


@pytest.mark.parametrize("cut", [30, 60, 200])
def test_a_cut_archive_is_named(tmp_path, cut):
    import shutil

    lay(tmp_path / "packed", "one")
    for form in ("gztar", "bztar", "xztar", "zip"):
        whole = shutil.make_archive(str(tmp_path / "a"), form, tmp_path / "packed")
        with open(whole, "r+b") as file:
            file.seek(cut)
            file.write(bytes(255 - b for b in range(40)))
            file.truncate()
        with pytest.raises(IntegrityError, match="cannot be unpacked"), opened(whole):
            pass


def test_an_archive_of_one_skill_needs_no_folder(tmp_path):
    import shutil

    lay(tmp_path, "one")
    (tmp_path / "one" / "scripts").mkdir()
    (tmp_path / "one" / "scripts" / "x.py").write_text("x = 1")
    archive = shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path / "one")
    with opened(archive) as source:
        (folder,) = skill_folders(source.folder)
        assert folder.name == "one"
        assert (folder / "scripts" / "x.py").is_file()


def test_no_password_is_printed(tmp_path):
    url = "https://user:p@ssw0rd@127.0.0.1:1/skills.git"
    with pytest.raises(UsageError) as caught, opened(url):
        pass
    assert "ssw0rd" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 nonsense", b"nonsense"])
def test_a_damaged_archive_is_named(tmp_path, content):
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(IntegrityError, match=r"a\.zip"), opened(str(tmp_path / "a.zip")):
        pass


def test_what_is_no_source_is_refused_with_what_would_be(tmp_path):
    with pytest.raises(UsageError, match="no folder, no archive"), opened(str(tmp_path / "nowhere")):
        pass
    with pytest.raises(UsageError, match="cannot be cloned"), opened(f"git+file://{tmp_path}/nowhere"):
        pass


def test_a_git_repository_is_cloned_at_its_commit_without_running_anything_of_it(tmp_path):
    work = lay(tmp_path / "work", "skills/one", "other/two")
    repo = porcelain.init(str(work))
    porcelain.add(str(work), [str(p) for p in work.rglob("SKILL.md")])
    commit = porcelain.commit(str(work), b"first", author=b"a <a@b.c>", committer=b"a <a@b.c>").decode()
    repo.close()
    hook = work / ".git" / "hooks" / "post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    hook.chmod(0o755)
    url = f"git+file://{work}"
    with opened(url) as source:
        assert [p.name for p in skill_folders(source.folder)] == ["two", "one"]
        assert source.origin == f"git:file://{work}@{commit[:16]}"
        assert not (source.folder / ".git").exists()
    with opened(f"{url}#skills") as source:
        assert [p.name for p in skill_folders(source.folder)] == ["one"]
    for inside in ("nowhere", "../../work"):
        with pytest.raises(UsageError, match="has no folder"), opened(f"{url}#{inside}"):
            pass
    assert not (tmp_path / "ran").exists()


def test_credentials_in_a_url_are_not_kept(tmp_path, monkeypatch):
    import evolvent.library.sources as sources

    class Repo:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def head(self):
            return b"a" * 40

    def clone(url, target, **_):
        os.makedirs(target)
        return Repo()

    monkeypatch.setattr(porcelain, "clone", clone)
    with sources.opened("https://user:secret@example.org/skills.git") as source:
        assert source.origin == f"git:https://example.org/skills.git@{'a' * 16}"


def test_an_exported_skill_is_a_folder_that_other_clients_take(store, kept, tmp_path):
    folder = export_skill(store, kept.name, tmp_path / "out")
    assert skills_ref.validate(folder) == []
    assert read_skill(folder).digest == kept.digest, "tests and evals are no part of the version"
    evals = json.loads((folder / "evals" / "evals.json").read_text())
    assert evals["evals"][0] == {
        "id": 1,
        "prompt": "Spell this word backward: ab",
        "expected_output": "ba",
        "files": [],
    }
    with pytest.raises(UsageError, match="there already"):
        export_skill(store, kept.name, tmp_path / "out")
    export_skill(store, kept.name, tmp_path / "out", force=True)
    assert sorted(os.listdir(tmp_path / "out")) == [kept.name]


def test_a_signature_holds_for_exactly_these_files(store, kept, tmp_path):
    key = signing_key(tmp_path / "home" / "signing.key")
    assert (tmp_path / "home" / "signing.key").stat().st_mode & 0o777 == 0o600
    assert public_key(signing_key(tmp_path / "home" / "signing.key")) == public_key(key), "the key stays"
    folder = export_skill(store, kept.name, tmp_path / "out", key)
    other = minisign.KeyPair.generate()
    mine, theirs = public_key(key), other.public_key.to_base64().decode()
    assert signer_of(folder, [theirs, mine]) == mine
    with pytest.raises(IntegrityError, match="none of the 1 keys"):
        signer_of(folder, [theirs])
    with pytest.raises(UsageError, match="no minisign public key"):
        signer_of(folder, ["nonsense"])
    (folder / "scripts" / "solve.py").write_text("def solve(q): return 'mine'\n")
    with pytest.raises(IntegrityError, match="not those that were signed"):
        signer_of(folder, [mine])


def test_a_new_list_of_hashes_under_an_old_signature_is_found_out(store, kept, tmp_path):
    key = signing_key(tmp_path / "signing.key")
    folder = export_skill(store, kept.name, tmp_path / "out", key)
    (folder / "SKILL.md").write_text((folder / "SKILL.md").read_text() + "more")
    (tmp_path / "out" / f"{kept.name}.sha256").write_text(manifest(folder))
    with pytest.raises(IntegrityError, match="none of the 1 keys"):
        signer_of(folder, [public_key(key)])


def test_the_hashes_are_those_of_sha256sum(store, kept, tmp_path):
    export_skill(store, kept.name, tmp_path / "out", signing_key(tmp_path / "signing.key"))
    done = subprocess.run(
        ["sha256sum", "-c", f"{kept.name}.sha256"],
        cwd=tmp_path / "out",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_a_key_with_a_password_needs_it(tmp_path, monkeypatch):
    pair = minisign.KeyPair.generate()
    pair.secret_key.encrypt("open sesame", opslimit=minisign.OPSLIMIT // 32, memlimit=minisign.MEMLIMIT // 32)
    (tmp_path / "signing.key").write_bytes(bytes(pair.secret_key))
    with pytest.raises(UsageError, match="EVOLVENT_SIGNING_PASSWORD"):
        signing_key(tmp_path / "signing.key")
    monkeypatch.setenv("EVOLVENT_SIGNING_PASSWORD", "open sesame")
    assert public_key(signing_key(tmp_path / "signing.key")) == pair.public_key.to_base64().decode()
    (tmp_path / "signing.key").write_text("nonsense")
    with pytest.raises(UsageError, match="minisign secret key"):
        signing_key(tmp_path / "signing.key")


def test_evals_are_read_as_they_are_written_and_strange_ones_are_left_out(tmp_path):
    cases = (SkillCase(question="1 + 1?", expected=2), SkillCase(question="é?", expected="è"))
    (tmp_path / "evals").mkdir()
    path = tmp_path / "evals" / "evals.json"
    path.write_text(evals_json("sums", cases), encoding="utf-8")
    assert [(c.question, c.expected) for c in read_evals(tmp_path)] == [("1 + 1?", "2"), ("é?", "è")]
    path.write_text(
        '{"evals": [{"prompt": "p", "expected_output": "a", "files": ["x.csv"]}, {"prompt": "q"}]}'
    )
    assert read_evals(tmp_path) == ()
    path.write_text('{"evals": 3}')
    with pytest.raises(IntegrityError, match=r"evals\.json"):
        read_evals(tmp_path)


def test_nothing_that_a_foreign_skill_says_of_itself_counts(store, kept, tmp_path):
    store.move(kept.name, SkillState.ACTIVE, "helps", "trials")
    folder = export_skill(store, kept.name, tmp_path / "out")
    (folder / "references").mkdir()
    (folder / "references" / "note.md").write_text("why")
    text = (folder / "SKILL.md").read_text().replace("metadata:", 'metadata:\n  author: "someone"')
    (folder / "SKILL.md").write_text(text)
    arrival = arrive(folder, "folder:out", tmp_path / "into")
    assert arrival.skill.state is SkillState.CANDIDATE
    assert arrival.skill.metadata == {"author": "someone", "evolvent-origin": "folder:out"}
    assert set(arrival.skill.files) == {"references/note.md"}
    assert not (arrival.folder / "tests").exists()
    assert [(t.prompt, t.reference) for t in arrival.cases] == [
        ("Spell this word backward: ab", "ba"),
        ("Spell this word backward: cd", "dc"),
    ]
    assert arrival.proposal.script == kept.script


def test_trust_is_by_origin_signature_and_tools(store, kept, tmp_path):
    key = signing_key(tmp_path / "signing.key")
    signed = export_skill(store, kept.name, tmp_path / "signed", key)
    bare = export_skill(store, kept.name, tmp_path / "bare")
    rule = TrustRule(match="git:*", keys=(public_key(key),))
    assert check_trust(signed, kept, "git:x@1", rule) == public_key(key)
    assert check_trust(bare, kept, "folder:bare", TrustRule()) is None
    with pytest.raises(UsageError, match="is not signed"):
        check_trust(bare, kept, "git:x@1", rule)
    with pytest.raises(UsageError, match="refuses skills from"):
        check_trust(bare, kept, "git:x@1", TrustRule(refuse=True))
    greedy = kept.model_copy(update={"allowed_tools": ("Bash(git:*)", "python")})
    with pytest.raises(UsageError, match="wants the tools Bash; allowed for 'x' in trust.toml: python"):
        check_trust(bare, greedy, "x", TrustRule(match="x", tools=("python",)))


def test_the_first_rule_that_fits_counts(tmp_path):
    path = tmp_path / "trust.toml"
    assert load_trust(path) == TrustPolicy()
    path.write_text(
        '[[origin]]\nmatch = "git:https://example.org/*"\nprose = true\n[[origin]]\nrefuse = true\n'
    )
    policy = load_trust(path)
    assert policy.rule_for("git:https://example.org/a@1").prose
    assert policy.rule_for("folder:x").refuse
    for text, words in (("[[origin", "cannot be read"), ("[[origin]]\nkey = 1\n", "origin.0.key")):
        path.write_text(text)
        with pytest.raises(UsageError, match=words):
            load_trust(path)


def test_a_projects_skills_override_the_users(tmp_path):
    home, project = tmp_path / "home", tmp_path / "home" / "work" / "project"
    lay(home / ".agents" / "skills", "one", "two")
    lay(project / ".agents" / "skills", "two", "three")
    inside = project / "src" / "deep"
    inside.mkdir(parents=True)
    assert [(d.folder.name, d.scope, d.origin) for d in discover(inside, home)] == [
        ("one", "user", "user:.agents"),
        ("three", "project", "project:project"),
        ("two", "project", "project:project"),
    ]
    assert [d.scope for d in discover(home / "work", home)] == ["user", "user"]


def test_a_project_ends_at_the_root_of_its_repository(tmp_path):
    lay(tmp_path / ".agents" / "skills", "outside")
    (tmp_path / "repo" / ".git").mkdir(parents=True)
    assert discover(tmp_path / "repo", tmp_path / "nobody") == []
