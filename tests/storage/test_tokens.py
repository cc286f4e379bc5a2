"""Tokens: what is shown once is not kept, and what is expired or revoked opens nothing."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine
from typer.testing import CliRunner

from evolvent.cli import app
from evolvent.errors import UnknownName, UsageError
from evolvent.storage import Home, Tokens, local_token, open_database
from evolvent.types import Scope


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_database(tmp_path / "evolvent.db")
    yield engine
    engine.dispose()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tokens(engine: Engine, clock: Clock) -> Tokens:
    return Tokens(engine, clock)


def test_a_token_is_known_again_and_its_secret_is_nowhere(tokens: Tokens, tmp_path: Path) -> None:
    token, info = tokens.create("dashboard", [Scope.READ])
    assert tokens.check(token) == info
    assert (info.name, info.scopes, info.expires_at) == ("dashboard", (Scope.READ,), None)
    secret = token.rsplit("_", 1)[-1].encode()
    assert not any(secret in path.read_bytes() for path in tmp_path.glob("evolvent.db*"))


def test_tokens_differ_and_have_256_random_bits(tokens: Tokens) -> None:
    made = {tokens.create("t", [Scope.READ])[0] for _ in range(20)}
    assert len(made) == 20
    assert all(len(token.split("_", 2)[2]) == 43 for token in made)


def test_scopes_include_those_below_them(tokens: Tokens) -> None:
    allowed = {s: [o for o in Scope if tokens.create("t", [s])[1].may(o)] for s in Scope}
    assert allowed == {
        Scope.READ: [Scope.READ],
        Scope.SUBMIT: [Scope.READ, Scope.SUBMIT],
        Scope.ADMIN: [Scope.READ, Scope.SUBMIT, Scope.ADMIN],
    }


def test_an_expired_token_opens_nothing(tokens: Tokens, clock: Clock) -> None:
    token, info = tokens.create("short", [Scope.READ], seconds=60)
    clock.now += 59
    assert tokens.check(token) == info
    clock.now += 1
    assert tokens.check(token) is None
    assert tokens.valid() == []
    assert tokens.list() == [info]


def test_a_revoked_token_opens_nothing_and_stays_revoked(tokens: Tokens, clock: Clock) -> None:
    token, info = tokens.create("lost", [Scope.ADMIN])
    first = tokens.revoke(info.id)
    clock.now += 10
    assert tokens.revoke(info.id) == first
    assert tokens.check(token) is None


def test_a_name_stands_for_one_valid_token(tokens: Tokens) -> None:
    old = tokens.create("ci", [Scope.READ])[1]
    tokens.revoke("ci")
    new = tokens.create("ci", [Scope.READ])[1]
    assert tokens.get("ci") == new
    assert tokens.get(old.id).revoked_at is not None
    tokens.create("ci", [Scope.READ])
    with pytest.raises(UnknownName, match="give the id"):
        tokens.get("ci")


def test_bad_input_says_what_is_allowed(tokens: Tokens) -> None:
    with pytest.raises(UsageError, match="1 to 80"):
        tokens.create(" ", [Scope.READ])
    with pytest.raises(UsageError, match="read, submit, admin"):
        tokens.create("t", [])
    with pytest.raises(UsageError, match="more than 0"):
        tokens.create("t", [Scope.READ], seconds=0)
    with pytest.raises(UnknownName, match="tokens list"):
        tokens.revoke("nothing")


def test_a_changed_token_opens_nothing(tokens: Tokens) -> None:
    token, _ = tokens.create("t", [Scope.ADMIN])
    head, identity, secret = token.split("_", 2)
    other, _ = tokens.create("o", [Scope.READ])
    for wrong in ("", token[:-1], token + "A", f"{token}\n", f"{head}_{identity}_{other.split('_', 2)[2]}"):
        assert tokens.check(wrong) is None
    assert secret


def test_any_text_is_checked_without_an_error(tmp_path_factory: pytest.TempPathFactory) -> None:
    engine = open_database(tmp_path_factory.mktemp("tokens") / "evolvent.db")
    tokens = Tokens(engine)
    tokens.create("t", [Scope.ADMIN])

    @given(st.text() | st.from_regex(r"evo_[0-9a-f]{12}_[A-Za-z0-9_-]{43}", fullmatch=True))
    def check(text: str) -> None:
        assert tokens.check(text) is None

    check()
    engine.dispose()


def test_the_local_token_is_the_owners_alone_and_made_anew(tokens: Tokens, tmp_path: Path) -> None:
    path = tmp_path / "daemon.token"
    old = local_token(path, tokens)
    new = local_token(path, tokens)
    assert path.read_text() == f"{new}\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert tokens.check(old) is None
    info = tokens.check(new)
    assert info is not None
    assert info.may(Scope.ADMIN)
    assert len(tokens.valid()) == 1


def test_the_command_line_makes_lists_and_revokes(own_home: Path) -> None:
    run = CliRunner()
    made = run.invoke(app, ["tokens", "create", "ci", "--scope", "submit", "--days", "1"])
    assert made.exit_code == 0, made.output
    token = made.stdout.strip()
    tokens = Tokens(open_database(Home(own_home).database))
    info = tokens.check(token)
    assert info is not None
    assert info.scopes == (Scope.SUBMIT,)
    listed = run.invoke(app, ["tokens", "list", "--json"])
    assert [row["id"] for row in json.loads(listed.stdout)] == [info.id]
    assert token not in listed.output
    assert run.invoke(app, ["tokens", "revoke", "ci"]).exit_code == 0
    assert tokens.check(token) is None
    assert json.loads(run.invoke(app, ["tokens", "list", "--json"]).stdout) == []
    assert info.id in run.invoke(app, ["tokens", "list", "--all"]).stdout
    wrong = run.invoke(app, ["tokens", "create", "x", "--scope", "root"])
    assert wrong.exit_code == 2
    assert "admin" in wrong.output


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), 1e17])
def test_a_time_that_no_clock_shows_is_refused(tokens: Tokens, seconds: float) -> None:
    with pytest.raises(UsageError, match="give at most"):
        tokens.create("x", [Scope.READ], seconds)


def test_nobody_makes_a_token_that_the_next_start_would_revoke(tokens: Tokens, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="command line's own"):
        tokens.create(" local ", [Scope.READ])
    token = local_token(tmp_path / "token", tokens)
    assert tokens.check(token) is not None
