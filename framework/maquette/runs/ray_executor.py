"""The executor of jobs on a Ray cluster: actors on its nodes, each of which makes one run after the other.

An actor keeps Python and torch loaded between runs. Results go to a file system that all nodes see, at the same paths,
or to object storage, and never through Ray's object store: an actor gives back no more than why a run failed. When an
actor's process or its node is lost, the run is gone on with on another actor from its last checkpoint, as after a
killed process.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from maquette.errors import MissingDependency
from maquette.runs.executors import Inline, Start
from maquette.runs.failures import Failure, Limits
from maquette.runs.storage import Storage, synced

READY_SECONDS = 5.0  # after which another actor is asked

_log = logging.getLogger(__name__)

PASSED_ON = ("MAQUETTE_", "PYTHONPATH", "HF_", "OMP_WAIT_POLICY")  # beginnings of variables that actors get, too


class RunActor:
    """Makes runs in its process; Ray makes it an actor."""

    def __init__(self, folder: str, storage: str) -> None:
        if storage:
            Path(folder).mkdir(parents=True, exist_ok=True)  # on a disk of its own
        os.chdir(folder)  # words of the command line may be relative paths
        self._inline, self._storage = Inline(), Storage(storage) if storage else None

    def process(self) -> int:
        """The number of its process, when it is ready."""
        return os.getpid()

    def attempt(self, words: list[str], log: str, seconds: float | None) -> tuple[str, str] | None:
        """Run or resume a method; kind and message of why it failed, or None."""
        path = Path(log)
        path.parent.mkdir(parents=True, exist_ok=True)
        if self._storage is not None:
            self._storage.pull(path.parent)
        with synced(self._storage, path.parent):
            failure = self._inline.attempt((words, path), Limits(seconds))
        return None if failure is None else (failure.kind, failure.message)


class RayCluster:
    """A number of actors on a cluster.

    Args:
        actors: number of runs at a time.
        address: of the cluster; "": that of `RAY_ADDRESS`, or one that is started on this machine.
        storage: what the nodes share instead of a disk; None: a disk.

    Raises:
        MissingDependency: ray is not installed.
    """

    keeps_runs = True

    def __init__(self, actors: int, address: str = "", storage: Storage | None = None) -> None:
        if find_spec("ray") is None:
            raise MissingDependency("the executor ray needs the package ray: pip install 'maquette[cluster]'")
        import ray

        self._ray, self.stopped, self._storage = ray, False, storage
        if not ray.is_initialized():
            _log.info("ray: %s", address or os.environ.get("RAY_ADDRESS") or "a cluster on this machine")
            ray.init(
                address=address or None, log_to_driver=False, include_dashboard=None if address else False,
                logging_level=logging.ERROR,
            )  # fmt: skip
        resources = ray.cluster_resources()
        cpus = max(1, int(resources.get("CPU", 1)) // actors)
        variables = {name: value for name, value in os.environ.items() if name.startswith(PASSED_ON)}
        variables |= {name: str(cpus) for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS")}
        self._actor = ray.remote(RunActor).options(
            num_cpus=cpus, num_gpus=min(1.0, resources.get("GPU", 0.0) / actors), runtime_env={"env_vars": variables}
        )
        self._free: SimpleQueue[Any] = SimpleQueue()
        for _ in range(actors):
            self._free.put(self._new_actor())

    def attempt(self, start: Start, limits: Limits) -> Failure | None:
        """Run `maquette` with some words on a free actor; see `maquette.runs.executors.Children.attempt`."""
        words, log = start
        with self._lent() as slot:
            begun = time.monotonic()
            try:
                task = slot.actor.attempt.remote(words, str(log.absolute()), limits.seconds)
                answer = self._ray.get(task, timeout=limits.seconds)
            except self._ray.exceptions.GetTimeoutError:
                slot.renew()
                return Failure("time", f"it took more than {limits.seconds:g} s, and was stopped")
            except self._ray.exceptions.RayActorError as problem:
                slot.renew()
                seconds = time.monotonic() - begun
                return Failure("lost", f"its actor was lost after {seconds:.0f} s: {type(problem).__name__}")
            finally:
                if self._storage is not None:
                    self._storage.pull(log.parent)
        return None if answer is None else Failure(*answer)

    def _new_actor(self) -> Any:
        return self._actor.remote(str(Path.cwd()), self._storage.url if self._storage else "")

    def stop(self) -> None:
        """End all actors; their runs are gone on with from their last checkpoints."""
        self.stopped = True
        self.close()

    def close(self) -> None:
        """Leave the cluster, which ends the actors."""
        self._ray.shutdown()

    @contextmanager
    def _lent(self) -> Iterator[_Slot]:
        """A free actor that has a place on the cluster, which is free again afterwards."""
        slot = _Slot(self._free.get(), self)
        try:
            while not self._is_ready(slot):  # a lost node may leave places for fewer actors: then another one is taken
                self._free.put(slot.actor)
                slot.actor = self._free.get()
            yield slot
        finally:
            self._free.put(slot.actor)

    def _is_ready(self, slot: _Slot) -> bool:
        """Whether an actor answers within some seconds; one that was lost is begun anew."""
        answer = slot.actor.process.remote()
        ready, _ = self._ray.wait([answer], timeout=READY_SECONDS)
        if not ready:
            return False
        try:
            self._ray.get(answer)
        except self._ray.exceptions.RayActorError:
            slot.renew()
            return False
        return True


class _Slot:
    """A lent actor, and another in its place when it was lost."""

    def __init__(self, actor: Any, cluster: RayCluster) -> None:
        self.actor, self._cluster = actor, cluster

    def renew(self) -> None:
        """End the actor, if it still lives, and begin another."""
        cluster = self._cluster
        if not cluster.stopped:
            cluster._ray.kill(self.actor)
            self.actor = cluster._new_actor()
