"""Signed skills: a list of hashes beside the folder, signed with a minisign key.

    NAME/            the skill
    NAME.sha256      `sha256sum` lines of all its files: `sha256sum -c NAME.sha256` checks them
    NAME.sha256.minisig   its signature: `minisign -Vm NAME.sha256 -P KEY` checks it

The format is that of https://jedisct1.github.io/minisign/, so that its own tools verify what is signed here.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from evolvent.errors import IntegrityError, UsageError
from evolvent.library.contents import walk_files

if TYPE_CHECKING:
    import minisign

__all__ = ["public_key", "sign_folder", "signer_of", "signing_key"]


def manifest(folder: Path) -> str:
    """Return the hashes of all files of a skill, in the form of `sha256sum`."""
    lines = [
        f"{hashlib.sha256((folder / relative).read_bytes()).hexdigest()}  {folder.name}/{relative}\n"
        for relative in walk_files(folder)
    ]
    return "".join(lines)


def signing_key(path: Path) -> minisign.SecretKey:
    """Return the key at a path; one that is not there is made, for its owner's eyes only.

    A key with a password is opened with that of `EVOLVENT_SIGNING_PASSWORD`.

    Raises:
        UsageError: it is no minisign key, or the password is missing or wrong.
    """
    import minisign

    if not path.exists():
        pair = minisign.KeyPair.generate()
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(bytes(pair.secret_key))
        path.with_suffix(".pub").write_bytes(bytes(pair.public_key))
    try:
        key = minisign.SecretKey.from_file(path)
        if key.is_encrypted():
            key.decrypt(os.environ.get("EVOLVENT_SIGNING_PASSWORD", ""))
    except (minisign.Error, ValueError, OSError) as error:
        raise UsageError(
            f"{path.name!r} cannot be used to sign: {error}; it must be a minisign secret key, and a password"
            " is taken from EVOLVENT_SIGNING_PASSWORD"
        ) from error
    return key


def public_key(key: minisign.SecretKey) -> str:
    """Return the public half in one line, as trust policies name it."""
    return str(key.get_public_key().to_base64(), "ascii")


def sign_folder(folder: Path, key: minisign.SecretKey) -> Path:
    """Write the hashes of a skill's files and their signature beside its folder; returns the signature's path."""
    listed = folder.with_name(f"{folder.name}.sha256")
    text = manifest(folder).encode()
    listed.write_bytes(text)
    signature = listed.with_name(f"{listed.name}.minisig")
    signature.write_bytes(bytes(key.sign(text, trusted_comment=f"skill {folder.name}")))
    return signature


def signer_of(folder: Path, keys: list[str]) -> str | None:
    """Return which of some public keys signed exactly the files of a folder; None: nobody signed it.

    Args:
        folder: the skill; its hashes and their signature lie beside it.
        keys: public keys in minisign's one-line form.

    Raises:
        IntegrityError: there is a signature, but of other files, of none of these keys, or a damaged one.
        UsageError: a key is none.
    """
    import minisign

    listed = folder.with_name(f"{folder.name}.sha256")
    signed = listed.with_name(f"{listed.name}.minisig")
    if not signed.is_file():
        return None
    try:
        text, signature = listed.read_bytes(), minisign.Signature.from_file(signed)
    except (OSError, ValueError, minisign.Error) as error:
        raise IntegrityError(
            f"{signed.name}: cannot be read as a signature of {listed.name}: {error}"
        ) from error
    if text != manifest(folder).encode():
        raise IntegrityError(f"{folder.name}: its files are not those that were signed in {listed.name}")
    for text_key in keys:
        try:
            key = minisign.PublicKey.from_base64(text_key)
        except (ValueError, minisign.Error) as error:
            raise UsageError(f"{text_key!r} is no minisign public key: {error}") from error
        try:
            key.verify(text, signature)
        except minisign.Error:
            continue
        return text_key
    raise IntegrityError(
        f"{signed.name}: signed, but with none of the {len(keys)} keys that are trusted here"
    )
