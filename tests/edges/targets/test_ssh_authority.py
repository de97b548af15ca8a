"""Where the CA's key may be, and what is said when it cannot be had."""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from securesystemslib.signer import Signer

from daypass.core.bounds.settings import TargetSettings
from daypass.core.errors import EdgeError, InvalidError
from daypass.edges.targets.registry import open_target
from daypass.edges.targets.ssh.authority import open_authority, read_source
from daypass.edges.targets.ssh.certificate import make, public_line, read
from edges.targets.ssh_world import HOUR, entitlement, now
from servers.sshd import make_key

PEM = serialization.Encoding.PEM
PKCS8 = serialization.PrivateFormat.PKCS8
NONE = serialization.NoEncryption()


def settings(**options: Any) -> TargetSettings:
    return TargetSettings("bastion", "ssh", options)


def opened(environ: dict[str, str], **options: Any) -> tuple[Any, str]:
    return open_authority(read_source(settings(**options)), environ)


def refused(call: Callable[[], object], kind: type[Exception] = EdgeError) -> str:
    with pytest.raises(kind) as caught:
        call()
    return str(caught.value)


def signs(key: Any) -> None:
    public = public_line(ed25519.Ed25519PrivateKey.generate().public_key())
    line = make(entitlement(), public, key, begin=now(), end=now() + HOUR, serial=7)
    assert read(line).authority == public_line(key.public_key())


class TestEnvironment:
    def test_the_key_itself_or_the_name_of_its_file(self, tmp_path: Path) -> None:
        public = make_key(tmp_path / "ca")
        for value, where in (
            ((tmp_path / "ca").read_text(), "in $CA"),
            ("\n" + (tmp_path / "ca").read_text().strip() + "\n\n", "in $CA"),
            (str(tmp_path / "ca"), "in the file that $CA names"),
        ):
            key, found = opened({"CA": value}, ca_key_env="CA", ca=f"{public} the bastion's CA")
            assert found == where
            signs(key)

    @pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
    def test_every_kind_that_signs_certificates_does(self, kind: str) -> None:
        key: Any = {
            "ed25519": ed25519.Ed25519PrivateKey.generate,
            "ecdsa": lambda: ec.generate_private_key(ec.SECP384R1()),
            "rsa": lambda: rsa.generate_private_key(65537, 2048),
        }[kind]()
        signs(opened({"CA": key.private_bytes(PEM, PKCS8, NONE).decode()}, ca_key_env="CA")[0])

    @pytest.mark.parametrize("environ", [{}, {"CA": ""}, {"CA": " \n"}])
    def test_a_variable_that_is_not_set_is_named(self, environ: dict[str, str]) -> None:
        said = refused(lambda: opened(environ, ca_key_env="CA"))
        assert said == "the environment variable CA, which target bastion names, is not set"

    def test_a_file_that_is_missing_or_open_to_others_is_refused(self, tmp_path: Path) -> None:
        file = tmp_path / "ca"
        said = refused(lambda: opened({"CA": str(file)}, ca_key_env="CA"))
        assert said == f"the CA key of target bastion, {file}, cannot be read: No such file or directory"
        make_key(file)
        file.chmod(0o640)
        said = refused(lambda: opened({"CA": str(file)}, ca_key_env="CA"))
        assert said.startswith(f"the CA key of target bastion, {file}, can be reached by others (mode 0640,")

    def test_what_is_no_key_is_refused_and_not_shown(self, tmp_path: Path) -> None:
        secret = "-----BEGIN OPENSSH PRIVATE KEY-----\nhunter2hunter2\n-----END OPENSSH PRIVATE KEY-----"
        said = refused(lambda: opened({"CA": secret}, ca_key_env="CA"))
        assert said == "the CA key of target bastion, in $CA, is no private key without a passphrase"
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", tmp_path / "locked"], check=True
        )  # fmt: skip
        said = refused(lambda: opened({"CA": str(tmp_path / "locked")}, ca_key_env="CA"))
        assert said.endswith("in the file that $CA names, is no private key without a passphrase")

    def test_another_key_than_hosts_trust_is_refused(self, tmp_path: Path) -> None:
        make_key(tmp_path / "ca")
        other = make_key(tmp_path / "other")
        said = refused(lambda: opened({"CA": str(tmp_path / "ca")}, ca_key_env="CA", ca=other))
        assert said == "the CA key of target bastion is not the private half of ca in the settings"

    def test_a_short_rsa_key_is_too_weak(self, tmp_path: Path) -> None:
        make_key(tmp_path / "ca", "rsa", 1024)
        said = refused(lambda: opened({"CA": str(tmp_path / "ca")}, ca_key_env="CA"))
        assert said == "the CA key of target bastion is too weak: 1024 bits, at least 2048"

    def test_a_key_that_signs_no_certificates_is_refused(self) -> None:
        from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

        text = X25519PrivateKey.generate().private_bytes(PEM, PKCS8, NONE).decode()
        said = refused(lambda: opened({"CA": text}, ca_key_env="CA"))
        assert said == "the CA key of target bastion is of a kind that signs no certificates"


class TestSettings:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({}, "target bastion names no CA key"),
            ({"ca_uri": "awskms:alias/ca"}, "target bastion names no CA key"),
            ({"ca_key_env": "CA", "ca_uri": "awskms:x"}, "target bastion names its CA key twice, by ca_key_env and "),
            ({"ca_key_env": 7}, "expected ca_key_env of target bastion to be text, got 7"),
            ({"ca_key_env": ""}, "expected ca_key_env of target bastion to be text, got ''"),
            ({"ca": "ssh-ed25519 nothing"}, "ca of target bastion is no public SSH key: 'ssh-ed25519 nothing'"),
            ({"ca_key_env": "CA", "krl": "../x"}, "krl of target bastion is not below daypass's own folder: '../x'"),
        ],
    )
    def test_what_makes_no_sense_is_refused_when_it_is_opened(
        self, tmp_path: Path, options: dict[str, Any], message: str
    ) -> None:
        assert refused(lambda: open_target(settings(**options), tmp_path), InvalidError).startswith(message)


class TestAgent:
    @pytest.fixture
    def agent(self, tmp_path: Path) -> Iterator[str]:
        path = tmp_path / "agent"
        process = subprocess.Popen(["ssh-agent", "-D", "-a", str(path)], stdout=subprocess.DEVNULL)
        for _ in range(200):
            if path.exists():
                break
            threading.Event().wait(0.02)
        yield str(path)
        os.kill(process.pid, signal.SIGTERM)
        process.wait(10)

    @pytest.mark.parametrize("kind", ["ed25519", "ecdsa"])
    def test_a_key_in_an_agent_signs(self, agent: str, tmp_path: Path, kind: str) -> None:
        public = make_key(tmp_path / "ca", kind)
        key, where = opened({"SSH_AUTH_SOCK": agent}, ca=public)
        said = refused(lambda: signs(key))
        assert said == "the agent does not sign with the CA key"
        subprocess.run(
            ["ssh-add", "-q", tmp_path / "ca"], check=True, capture_output=True, env={**os.environ, "SSH_AUTH_SOCK": agent}
        )  # fmt: skip
        assert where == "in the agent"
        signs(key)

    def test_its_health_is_whether_the_agent_signs(
        self, agent: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        public = make_key(tmp_path / "ca")
        monkeypatch.setenv("SSH_AUTH_SOCK", agent)
        assert refused(open_target(settings(ca=public), tmp_path).health) == "the agent does not sign with the CA key"
        subprocess.run(["ssh-add", "-q", tmp_path / "ca"], check=True, capture_output=True)
        found = open_target(settings(ca=public), tmp_path).health()
        assert found.facts[0].endswith("its key in the agent")
        assert found.concerns == ()

    def test_an_agent_that_is_not_there_is_said(self, tmp_path: Path) -> None:
        public = make_key(tmp_path / "ca")
        said = refused(lambda: opened({}, ca=public))
        assert said == "target bastion has its CA key in an agent, and SSH_AUTH_SOCK is not set"
        key, _ = opened({"SSH_AUTH_SOCK": str(tmp_path / "none")}, ca=public)
        said = refused(lambda: signs(key))
        assert said == f"the agent at {tmp_path / 'none'} does not answer: No such file or directory"

    def test_rsa_keys_are_not_taken_from_an_agent(self, tmp_path: Path) -> None:
        public = make_key(tmp_path / "ca", "rsa", 2048)
        said = refused(lambda: opened({"SSH_AUTH_SOCK": "x"}, ca=public))
        assert said == "a CA key in an agent or behind a URI must be ed25519 or ECDSA"

    @pytest.mark.parametrize(
        ("answer", "message"),
        [
            (b"", "the agent went away without an answer"),
            (struct.pack(">I", 9) + b"\x0e", "the agent went away without an answer"),
            (struct.pack(">I", 5) + b"\x0e" + struct.pack(">I", 99), "the agent's answer cannot be read"),
        ],
    )
    def test_an_agent_that_talks_nonsense_is_said(self, tmp_path: Path, answer: bytes, message: str) -> None:
        public = make_key(tmp_path / "ca")
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(tmp_path / "odd"))
            server.listen()

            def serve() -> None:
                with server.accept()[0] as client:
                    client.recv(65536)
                    client.sendall(answer)

            thread = threading.Thread(target=serve)
            thread.start()
            key, _ = opened({"SSH_AUTH_SOCK": str(tmp_path / "odd")}, ca=public)
            assert refused(lambda: signs(key)) == message
            thread.join(10)


class TestUri:
    """By securesystemslib's own signer of a file, which is reached as a cloud's KMS is."""

    @pytest.mark.parametrize("kind", ["ed25519", "ecdsa"])
    def test_a_key_behind_a_uri_signs(self, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
        found: Any = (
            ed25519.Ed25519PrivateKey.generate() if kind == "ed25519" else ec.generate_private_key(ec.SECP256R1())
        )
        (tmp_path / "kms.pem").write_bytes(found.private_bytes(PEM, PKCS8, NONE))
        monkeypatch.setenv("CRYPTO_SIGNER_PATH_PREFIX", str(tmp_path))
        key, where = opened({}, ca=public_line(found.public_key()), ca_uri=f"file2:{tmp_path}/kms.pem")
        assert where == "behind file2:"
        signs(key)

    def test_one_that_does_not_sign_is_said(self, tmp_path: Path) -> None:
        public = make_key(tmp_path / "ca")
        key, _ = opened({}, ca=public, ca_uri="nokms:alias/ca")
        assert refused(lambda: signs(key)).startswith("the CA key behind nokms: does not sign: ")

    def test_what_a_service_says_is_not_told_where_it_repeats_its_address(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(uri: str, *_: object) -> None:
            raise ValueError(f"403 for {uri}")

        monkeypatch.setattr(Signer, "from_priv_key_uri", refuse)
        key, _ = opened({}, ca=make_key(tmp_path / "ca"), ca_uri="hv:ca?token=s3cr3t")
        assert refused(lambda: signs(key)) == "the CA key behind hv: does not sign: ValueError"

    def test_another_key_than_hosts_trust_signs_nothing(self, tmp_path: Path) -> None:
        public = make_key(tmp_path / "ca")
        found = ed25519.Ed25519PrivateKey.generate()
        (tmp_path / "kms.pem").write_bytes(found.private_bytes(PEM, PKCS8, NONE))
        key, _ = opened({}, ca=public, ca_uri=f"file2:{tmp_path}/kms.pem")
        assert "does not match public key" in refused(lambda: signs(key))


class TestHealth:
    def test_it_names_the_ca_and_the_list(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        make_key(tmp_path / "ca", "rsa", 2048)
        monkeypatch.setenv("CA", str(tmp_path / "ca"))
        target = open_target(settings(ca_key_env="CA"), tmp_path / "state")
        found = target.health()
        assert found.facts[0].startswith("the CA SHA256:")
        assert found.facts[0].endswith("(ssh-rsa), its key in the file that $CA names")
        krl = tmp_path / "state" / "bastion.krl"
        assert found.facts[1] == f"the key revocation list {krl} is not there yet; the next apply makes it"
        assert found.concerns == ("the CA's key has 2048 bits; 3072 or more, or ed25519, are better",)
        krl.parent.mkdir()
        krl.write_bytes(b"junk")
        assert f"the key revocation list {krl} is not whole; the next apply makes it anew" in target.health().concerns

    def test_an_agent_without_the_key_is_an_error(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        public = make_key(tmp_path / "ca")
        monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "none"))
        said = refused(open_target(settings(ca=public), tmp_path).health)
        assert "does not answer" in said
