"""The controllers of all kinds, put together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from regnant.api import resources
from regnant.api.inference_service import InferenceServiceSpec, InferenceServiceStatus
from regnant.api.meta import Kind
from regnant.api.model_version import ModelVersionSpec, ModelVersionStatus
from regnant.api.training_pipeline import TrainingPipelineSpec, TrainingPipelineStatus
from regnant.cluster.client import Cluster
from regnant.controllers.children import Children, Listen
from regnant.controllers.counting import Counter
from regnant.controllers.inference_service import InferenceServiceObserver
from regnant.controllers.metrics import ResourceMetrics
from regnant.controllers.model_version import ModelVersionObserver
from regnant.controllers.queue import Key, Requeue
from regnant.controllers.reconciler import Clock, Reconciler
from regnant.controllers.router_sync import RouterSync
from regnant.controllers.training_pipeline import TrainingPipelineObserver
from regnant.manifests.platform import Platform
from regnant.probes.router import Prober


class Reconciles(Protocol):
    """Brings one object a step closer to what its spec asks for."""

    async def reconcile(self, key: Key) -> Requeue:
        """Do so, and say when to look again."""


def build_reconcilers(
    cluster: Cluster,
    prober: Prober,
    platform: Platform,
    *,
    clock: Clock,
    wake: Callable[[Key], None],
    metrics: ResourceMetrics,
    listen: Listen | None = None,
) -> Mapping[Kind, Reconciles]:
    """A reconciler a kind; `wake` queues a key that another kind's change concerns.

    `listen` tells of every key that is woken; without it, what was read is never read only once.
    """
    return {
        Kind.TRAINING_PIPELINE: Reconciler(
            resources.TRAINING_PIPELINE,
            (TrainingPipelineSpec, TrainingPipelineStatus),
            TrainingPipelineObserver(cluster, platform),
            cluster,
            clock=clock,
            metrics=metrics,
        ),
        Kind.MODEL_VERSION: Reconciler(
            resources.MODEL_VERSION,
            (ModelVersionSpec, ModelVersionStatus),
            ModelVersionObserver(cluster),
            cluster,
            clock=clock,
            metrics=metrics,
        ),
        Kind.INFERENCE_SERVICE: Reconciler(
            resources.INFERENCE_SERVICE,
            (InferenceServiceSpec, InferenceServiceStatus),
            InferenceServiceObserver(
                cluster,
                Children(cluster, listen),
                prober,
                Counter(prober),
                RouterSync(cluster),
                platform,
                wake,
            ),
            cluster,
            clock=clock,
            metrics=metrics,
        ),
    }
