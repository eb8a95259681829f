"""How many threads the container may keep busy.

ONNX Runtime sizes its pool from the host's processors. In a container limited to one CPU of 64 that
means 64 threads which the kernel stops for most of every period. So the limit is read from the
control group, of either version, and a part of a processor counts as none beside the first.
"""

from __future__ import annotations

import os
from pathlib import Path


def usable_cpus(root: Path = Path("/")) -> int:
    """Return the number of processors that this process may use, at least one."""
    limits = [float(len(os.sched_getaffinity(0))), *_quotas(root)]
    return max(1, int(min(limits)))


def _quotas(root: Path) -> list[float]:
    """Read every quota that applies: of the own group, and of all above it that are visible."""
    cgroups = root / "sys/fs/cgroup"
    unified, cpu = _own_groups(root)
    quotas = [_unified_quota(group) for group in _upwards(cgroups, unified)]
    for mount in (cgroups / "cpu", cgroups / "cpu,cpuacct"):
        quotas += [_legacy_quota(group) for group in _upwards(mount, cpu)]
    return [quota for quota in quotas if quota]


def _own_groups(root: Path) -> tuple[str, str]:
    """Return this process's group in the unified hierarchy and in that of the cpu controller."""
    unified = cpu = "/"
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers:
            unified = path
        elif "cpu" in controllers.split(","):
            cpu = path
    return unified, cpu


def _upwards(mount: Path, group: str) -> list[Path]:
    """Return the group's folder and those above; in a container only the mount may exist."""
    folder = mount / group.strip("/")
    return [folder, *(above for above in folder.parents if above.is_relative_to(mount))]


def _unified_quota(group: Path) -> float | None:
    words = _read(group / "cpu.max").split()
    return int(words[0]) / int(words[1]) if len(words) > 1 and words[0].isdigit() else None


def _legacy_quota(group: Path) -> float | None:
    quota, period = _read(group / "cpu.cfs_quota_us"), _read(group / "cpu.cfs_period_us")
    return int(quota) / int(period) if quota.strip().isdigit() and period.strip() else None


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
