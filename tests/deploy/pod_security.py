"""The Pod Security Standard ``restricted``, and some additional requirements."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tests.deploy.variants import Document, containers

_VOLUMES = {
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim",
    "projected", "secret",
}  # fmt: skip
_SECCOMP = ("RuntimeDefault", "Localhost")

_Check = Callable[[Document, Document], bool]
"""Checks a container with its effective security context."""

_CHECKS: tuple[tuple[str, _Check], ...] = (
    ("may be root", lambda _, c: c.get("runAsNonRoot") is True and c.get("runAsUser") != 0),
    ("has no seccomp profile", lambda _, c: c.get("seccompProfile", {}).get("type") in _SECCOMP),
    ("may gain privileges", lambda _, c: c.get("allowPrivilegeEscalation") is False),
    ("is privileged", lambda _, c: not c.get("privileged")),
    ("has capabilities", lambda _, c: c.get("capabilities") == {"drop": ["ALL"]}),
    ("may write to its image", lambda _, c: c.get("readOnlyRootFilesystem") is True),
    ("takes a port of the host", lambda c, _: all("hostPort" not in p for p in c.get("ports", ()))),
    ("asks for no resources", lambda c, _: {"requests", "limits"} <= c.get("resources", {}).keys()),
)


def breaches(pod: Document) -> Iterator[str]:
    """Yield the violations."""
    spec = pod["spec"]
    yield from (field for field in ("hostNetwork", "hostPID", "hostIPC") if spec.get(field))
    for volume in spec.get("volumes", ()):
        yield from (f"volume {kind}" for kind in volume.keys() - {"name"} - _VOLUMES)
    for container in containers(pod):
        context = {**spec.get("securityContext", {}), **container.get("securityContext", {})}
        for what, holds in _CHECKS:
            if not holds(container, context):
                yield f"{container['name']} {what}"
