"""A real Kubernetes API server with a real etcd on loopback: no kubelet, no controllers.

A pod stays pending until a test patches its status. A namespace has no ``default`` service account
until a test creates it. Everything else (Pod Security, RBAC, Leases, watches, custom resources) is
real.
"""

from __future__ import annotations

import json
import secrets
import signal
import ssl
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.process import eventually, free_port, process

Document = dict[str, Any]
Tool = Callable[[str], Path]
STARTS_WITHIN_SECONDS = 90


class Refused(Exception):
    """kubectl failed, with its own message."""


class ControlPlane:
    """A running API server, with kubectl as its administrator."""

    def __init__(self, tool: Tool, folder: Path) -> None:
        self._tool = tool
        self._folder = folder
        self._token = secrets.token_hex(16)
        self._port = free_port()
        self._store_port = free_port()
        self.url = f"https://127.0.0.1:{self._port}"
        self.ca_file = folder / "certificates" / "apiserver.crt"
        self._server: subprocess.Popen[bytes] | None = None
        self._prepare()

    def _prepare(self) -> None:
        key = rsa.generate_private_key(65537, 2048)
        pem = serialization.Encoding.PEM
        private = key.private_bytes(
            pem, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
        public = key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
        (self._folder / "sa.key").write_bytes(private)
        (self._folder / "sa.pub").write_bytes(public)
        (self._folder / "tokens.csv").write_text(f'{self._token},admin,1,"system:masters"\n')

    @contextmanager
    def running(self) -> Iterator[ControlPlane]:
        """Run both programs until the block ends."""
        peers = free_port()
        store = f"http://127.0.0.1:{self._store_port}"
        etcd: list[str | Path] = [
            self._tool("etcd"),
            f"--data-dir={self._folder}/etcd",
            f"--listen-client-urls={store}",
            f"--advertise-client-urls={store}",
            f"--listen-peer-urls=http://127.0.0.1:{peers}",
            f"--initial-advertise-peer-urls=http://127.0.0.1:{peers}",
            f"--initial-cluster=default=http://127.0.0.1:{peers}",
        ]
        with process(etcd, self._folder / "etcd.log"), ExitStack() as stack:
            self._stack = stack
            self.start()
            yield self

    def start(self) -> None:
        """Start the API server, and wait until it is ready."""
        self._server = self._stack.enter_context(
            process(self._command(), self._folder / "apiserver.log")
        )
        eventually(self._is_ready, seconds=STARTS_WITHIN_SECONDS)

    def kill(self) -> None:
        """Kill the API server like a crash. Data in etcd stays."""
        assert self._server
        self._server.kill()
        self._server.wait()

    def freeze(self) -> None:
        """Make requests hang."""
        assert self._server
        self._server.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._server
        self._server.send_signal(signal.SIGCONT)

    def _command(self) -> Sequence[str | Path]:
        folder = self._folder
        return [
            self._tool("kube-apiserver"),
            f"--etcd-servers=http://127.0.0.1:{self._store_port}",
            f"--service-account-key-file={folder}/sa.pub",
            f"--service-account-signing-key-file={folder}/sa.key",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--cert-dir={folder}/certificates",
            f"--secure-port={self._port}",
            "--bind-address=127.0.0.1",
            f"--token-auth-file={folder}/tokens.csv",
            "--authorization-mode=RBAC",
            "--service-cluster-ip-range=10.0.0.0/24",
        ]

    def _is_ready(self) -> bool:
        if not self.ca_file.exists():
            return False
        with httpx.Client(verify=False, trust_env=False) as client:  # noqa: S501 - its own certificate
            return client.get(f"{self.url}/readyz").status_code == httpx.codes.OK

    def kubectl(self, *arguments: str, documents: Sequence[Document] = ()) -> str:
        """Return kubectl's output.

        :raises Refused: kubectl fails.
        """
        done = subprocess.run(
            [
                str(self._tool("kubectl")),
                f"--server={self.url}",
                f"--certificate-authority={self.ca_file}",
                f"--token={self._token}",
                *arguments,
            ],
            input=yaml.safe_dump_all(documents) if documents else None,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        if done.returncode:
            raise Refused(done.stderr)
        return done.stdout

    def restricted_namespace(self, name: str) -> None:
        """Create a namespace in which Pod Security enforces ``restricted``, and the service account
        that a controller would create."""
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        metadata = {"name": name, "labels": labels}
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
        self.apply(namespace)
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
        self.apply(account, namespace=name)

    def apply(self, *documents: Document, namespace: str = "default") -> str:
        return self.kubectl(
            "apply", "--server-side", f"--namespace={namespace}", "-f", "-", documents=documents
        )

    def try_out(self, *documents: Document, namespace: str) -> str:
        """Return what the API server would create from these documents, without storing it.

        :raises Refused: the API server rejects a document.
        """
        return self.kubectl(
            "apply",
            "--server-side",
            "--dry-run=server",
            f"--namespace={namespace}",
            "-f",
            "-",
            documents=documents,
        )

    def request(self, method: str, path: str, body: Document | None = None) -> httpx.Response:
        """Send one request as the administrator, which is half a second faster than kubectl.

        :raises Refused: the request fails.
        """
        headers = {"Authorization": f"Bearer {self._token}"}
        if method == "PATCH":
            headers["Content-Type"] = "application/merge-patch+json"
        answer = self._client.request(method, f"{self.url}{path}", json=body, headers=headers)
        if not answer.is_success:
            raise Refused(answer.text)
        return answer

    @cached_property
    def _client(self) -> httpx.Client:
        trust = ssl.create_default_context(cafile=self.ca_file)
        client = httpx.Client(verify=trust, trust_env=False, timeout=60)
        return self._stack.enter_context(client)

    def forget_the_past(self) -> None:
        """Compact etcd and restart the API server, so that no watch can continue from an earlier
        version."""
        store = f"http://127.0.0.1:{self._store_port}/v3/kv"
        revision = httpx.post(f"{store}/range", json={"key": "YQ=="}).json()["header"]["revision"]
        httpx.post(f"{store}/compaction", json={"revision": revision}).raise_for_status()
        self.kill()
        self.start()

    def bound_token(self, account: str, namespace: str, secret: str) -> str:
        """Return a token that is valid as long as its Secret exists."""
        metadata = {"metadata": {"name": secret}}
        self.request("POST", f"/api/v1/namespaces/{namespace}/secrets", metadata)
        bound = ("--bound-object-kind=Secret", f"--bound-object-name={secret}")
        return self.kubectl("create", "token", account, f"--namespace={namespace}", *bound).strip()

    def get(self, resource: str, name: str, namespace: str) -> Document:
        found: Document = json.loads(
            self.kubectl("get", resource, name, f"--namespace={namespace}", "-o", "json")
        )
        return found

    def delete_pods(self, which: str, namespace: str) -> None:
        """Delete pods at once, because there is no kubelet to stop them gracefully."""
        at_once = ("--grace-period=0", "--force")
        self.kubectl("delete", "pods", which, f"--namespace={namespace}", *at_once)

    def account_token(self, account: str, namespace: str) -> str:
        """Return a token like that of a pod with this service account."""
        return self.kubectl("create", "token", account, f"--namespace={namespace}").strip()

    def may(self, account: str, namespace: str, verb: str, resource: str) -> bool:
        """Return whether a service account may do this in its namespace."""
        user = f"--as=system:serviceaccount:{namespace}:{account}"
        try:
            answer = self.kubectl("auth", "can-i", verb, resource, f"--namespace={namespace}", user)
        except Refused:
            return False
        return answer.strip() == "yes"
