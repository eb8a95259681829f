"""CoreDNS as the cluster's DNS, and the storage class: what `up` applies once the API is there."""

from __future__ import annotations

from .settings import DNS_ADDRESS
from .system_images import COREDNS
from .volumes import PROVISIONER, STORAGE_CLASS

_NAMESPACE = "kube-system"
_LABELS = {"k8s-app": "kube-dns"}
# An unprivileged port: the pod holds no capability. The Service maps 53 to it.
_PORT = 1053
_COREFILE = f"""\
.:{_PORT} {{
    errors
    health :8080
    ready :8181
    kubernetes cluster.local in-addr.arpa {{
        pods insecure
        ttl 5
    }}
    cache 5
    reload
}}
"""


def manifests() -> list[dict[str, object]]:
    """Every object of the cluster's own, in the order in which they are applied."""
    return [
        _meta("v1", "ServiceAccount"),
        _role(),
        _binding(),
        _meta("v1", "ConfigMap") | {"data": {"Corefile": _COREFILE}},
        _deployment(),
        _service(),
        _storage_class(),
    ]


def _meta(version: str, kind: str, name: str = "coredns") -> dict[str, object]:
    metadata = {"name": name, "namespace": _NAMESPACE, "labels": _LABELS}
    return {"apiVersion": version, "kind": kind, "metadata": metadata}


def _role() -> dict[str, object]:
    listed = {"apiGroups": [""], "resources": ["services", "pods", "namespaces"]}
    slices = {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"]}
    rules = [rule | {"verbs": ["list", "watch"]} for rule in (listed, slices)]
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "regnant-local:coredns"},
        "rules": rules,
    }


def _binding() -> dict[str, object]:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "regnant-local:coredns"},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": "regnant-local:coredns",
        },
        "subjects": [{"kind": "ServiceAccount", "name": "coredns", "namespace": _NAMESPACE}],
    }


def _deployment() -> dict[str, object]:
    container = {
        "name": "coredns",
        "image": COREDNS,
        "imagePullPolicy": "Never",
        "args": ["-conf", "/etc/coredns/Corefile"],
        "ports": [
            {"name": "dns", "containerPort": _PORT, "protocol": "UDP"},
            {"name": "dns-tcp", "containerPort": _PORT, "protocol": "TCP"},
        ],
        "readinessProbe": {"httpGet": {"path": "/ready", "port": 8181}, "periodSeconds": 1},
        "livenessProbe": {"httpGet": {"path": "/health", "port": 8080}, "periodSeconds": 10},
        "resources": {"requests": {"cpu": "20m", "memory": "32Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumeMounts": [{"name": "config", "mountPath": "/etc/coredns", "readOnly": True}],
    }
    pod = {
        "serviceAccountName": "coredns",
        "priorityClassName": "system-cluster-critical",
        "dnsPolicy": "Default",
        "containers": [container],
        "volumes": [{"name": "config", "configMap": {"name": "coredns"}}],
    }
    spec = {
        "replicas": 1,
        "selector": {"matchLabels": _LABELS},
        "template": {"metadata": {"labels": _LABELS}, "spec": pod},
    }
    return _meta("apps/v1", "Deployment") | {"spec": spec}


def _service() -> dict[str, object]:
    ports = [
        {"name": "dns", "port": 53, "targetPort": _PORT, "protocol": "UDP"},
        {"name": "dns-tcp", "port": 53, "targetPort": _PORT, "protocol": "TCP"},
    ]
    spec = {"clusterIP": DNS_ADDRESS, "selector": _LABELS, "ports": ports}
    return _meta("v1", "Service", "kube-dns") | {"spec": spec}


def _storage_class() -> dict[str, object]:
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {
            "name": STORAGE_CLASS,
            "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
        },
        "provisioner": PROVISIONER,
        "reclaimPolicy": "Delete",
        "volumeBindingMode": "Immediate",
    }
