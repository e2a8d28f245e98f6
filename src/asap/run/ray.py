"""A run on a Ray cluster: the only file that imports Ray, and not before a cluster is opened.

Ray Data reads, prunes and writes on CPU workers. Scorers and classifiers are actors behind a router
that hands each call to the least busy one. On the head node sit the routers, the coordinator (which
drives Ray Data) and the one LLM client with the reply cache. The driver opens the folder, counts
what is done and sums up.
"""

from __future__ import annotations

import logging
import os
import socket
import time
import uuid
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from asap.chat import ChatLimits
from asap.errors import ClusterError, ClusterLost, MissingExtraError, RunStopped
from asap.prune import Need, Tools
from asap.run.actors import Desk, Kind, Model, Router
from asap.run.backends import open_tools
from asap.run.executor import Work
from asap.run.ledger import Ledger
from asap.run.pipeline import Progress
from asap.run.recipe import Recipe
from asap.run.shard_worker import Done, Job, cut_work, prune_block, read_piece, unseal
from asap.run.stand_ins import RemoteChat, RemoteClassifier, RemoteScorer, Wire
from asap.run.travel import Answer, Opener, Site, open_answer, try_call
from asap.run.versions import find_versions

WORKER_CPUS = 0.5
"""A worker waits for its scorer most of the time."""
MODEL_CPUS = 0.01
"""More than none, so that a head node without CPUs for work gets no model."""
CORES_PER_MODEL = 4
CALLS_PER_MODEL = 2
"""As in a run on one machine: one is tokenised while the other is scored."""
TASK_RETRIES = 20
CONNECT_S = 10.0
PROBE_S = 300.0
SEEN_S = 10.0
"""How long a shared folder may take to show what another machine wrote there."""
OBJECT_STORE_BYTES = 512 * 2**20
"""Of a Ray that is started for one run: some shards under way, whatever the machine has."""
HEAD = {"node:__internal_head__": 0.001}
"""A resource that the head node alone has."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RayCluster:
    """A cluster with a run's backends on it. `open_cluster` makes it."""

    tools: Tools
    """The run's, for the driver: the counter is here, everything else is asked over there."""
    site: Site
    desk: Wire | None
    """The way to who asks the LLM."""

    def run(self, work: Work, tools: Tools, on_progress: Callable[[Progress], None]) -> int:
        """Do the missing shards on the cluster: see `Executor`.

        Raises:
            ClusterError: the machines do not see the run folder, or lack asap.
            ClusterLost: the cluster has gone.
            RunStopped: as in a run on one machine; paid replies under way were waited for.
        """
        finished = frozenset(work.ledger.finished_shards())
        if finished:
            on_progress(Progress(work.count_rows(finished), 0, 0))
        with _translated():
            _check_nodes(self.site, work.ledger)
            backends = tools.scorer, tools.chat, tools.classifier
            job = Job(self.site, work, finished, tools.counter.name, *backends)
            coordinator = _start(Coordinator, {"num_cpus": 0, "resources": HEAD}, job)
            try:
                return _follow(coordinator, work.ledger, tools, on_progress)
            except RunStopped:
                _end(coordinator)
                if self.desk is not None:
                    self.desk.call("drain")
                raise
            finally:
                _end(coordinator)


@contextmanager
def open_cluster(
    on: str,
    recipe: Recipe,
    *,
    limits: ChatLimits | None = None,
    device: str = "auto",
    n_models: int | None = None,
    opener: Opener | None = None,
) -> Iterator[RayCluster]:
    """The tools of a run on a Ray cluster, and its executor; ended with the block.

    Args:
        on: `ray`, a Ray of its own on this machine; `ray:auto`, the cluster that this machine is
            part of; `ray:HOST:PORT`, the same by its head's address; `ray://HOST:PORT`, a cluster
            from outside, through the port for Ray's clients.
        recipe: names scorer, tokenizer, classifier and LLM.
        limits: bounds on what is asked of the LLM, by all machines together.
        device: `auto`, `cpu` or `cuda`; which GPU is Ray's business.
        n_models: scorers (or classifiers); by default one for each GPU, else one for four cores.
        opener: opens tools where they are needed; by default those that the recipe names.

    Raises:
        ClusterError: no such cluster, or its machines cannot do the run.
        MissingExtraError: the extra `ray` is not installed.
        UserError: what `open_tools` raises.
    """
    address = _find_address(on)
    if device not in ("auto", "cpu", "cuda"):
        raise ClusterError(f"--device {device}: on Ray say auto, cpu or cuda; Ray picks the GPU")
    opener = opener or partial(_open_by_name, recipe, limits, device)
    with ExitStack() as stack:
        # What is wrong with the recipe shows before a cluster is asked for anything.
        counter = stack.enter_context(opener(recipe.needs & {"labels", "entropies"})).counter
        stack.enter_context(_connected(address))
        site = Site(os.getcwd(), opener, os.environ.get("ASAP_CACHE"))
        kinds: list[Kind] = [kind for kind in _KINDS if kind in recipe.needs]
        with _translated():
            plan = _plan_models(len(kinds), device, n_models)
            routers = {kind: _open_models(kind, site, plan, stack) for kind in kinds}
            desk = _open_desk(site, limits, stack) if "chat" in recipe.needs else None
            about = {kind: open_answer(router.call("meet")) for kind, router in routers.items()}
            scorer = classifier = chat = None
            if "scorer" in about:
                name, statistics = about["scorer"]
                scorer = RemoteScorer(name, statistics, routers["scorer"])
            if "classifier" in about:
                classifier = RemoteClassifier(about["classifier"][0], routers["classifier"])
            if desk is not None:
                chat = RemoteChat(open_answer(desk.call("open")), desk)
            tools = Tools(counter, scorer, chat, classifier)
        yield RayCluster(tools, site, desk)


_KINDS: tuple[Kind, Kind] = ("scorer", "classifier")


def _open_by_name(
    recipe: Recipe, limits: ChatLimits | None, device: str, needs: frozenset[Need]
) -> AbstractContextManager[Tools]:
    return open_tools(recipe, needs=needs, limits=limits, device=device)


@dataclass(frozen=True, slots=True)
class _Plan:
    """How many models of a kind there are, what each takes up, threads of one on CPUs."""

    n_models: int
    resources: dict[str, float]
    n_threads: int | None


def _plan_models(n_kinds: int, device: str, n_models: int | None) -> _Plan:
    import ray

    there = ray.cluster_resources()
    n_gpus = 0 if device == "cpu" else int(there.get("GPU", 0))
    n_cores = int(there.get("CPU", 1))
    if device == "cuda" and not n_gpus:
        raise ClusterError("--device cuda: the cluster has no GPU; say cpu or auto")
    if n_gpus:
        resources = {"num_gpus": 1.0 / max(1, n_kinds), "num_cpus": MODEL_CPUS}
        return _Plan(n_models or n_gpus, resources, None)
    n_models = n_models or max(1, n_cores // CORES_PER_MODEL)
    return _Plan(n_models, {"num_cpus": MODEL_CPUS}, max(1, n_cores // n_models))


def _open_models(kind: Kind, site: Site, plan: _Plan, stack: ExitStack) -> Wire:
    """The router to the models of one kind; they load at their own pace."""
    from ray.exceptions import RayActorError

    options: dict[str, Any] = {
        **plan.resources,
        "max_restarts": -1,
        "max_concurrency": CALLS_PER_MODEL,
        "scheduling_strategy": "SPREAD",
    }
    models = [_start(Model, options, kind, site, plan.n_threads) for _ in range(plan.n_models)]
    for model in models:
        stack.callback(_end, model)
    options = {"num_cpus": 0, "resources": HEAD, "max_concurrency": 1000}
    router = _start(Router, options, models, RayActorError)
    stack.callback(_end, router)
    return _Wire(router)


def _open_desk(site: Site, limits: ChatLimits | None, stack: ExitStack) -> Wire:
    # Begun anew it would count from nothing: where there is a limit for the run, it is not.
    has_limit = limits is not None and limits.token_limit is not None
    options = {
        "num_cpus": 0,
        "resources": HEAD,
        "max_concurrency": 100_000,
        "max_restarts": 0 if has_limit else -1,
        "max_task_retries": 0 if has_limit else -1,
    }
    desk = _start(Desk, options, site)
    stack.callback(_end, desk)
    return _Wire(desk)


@dataclass(frozen=True, slots=True)
class _Wire:
    """The way to an actor, for those that know nothing of Ray."""

    actor: Any

    def call(self, method: str, *arguments: Any) -> Any:
        """See `Wire`."""
        return _get(getattr(self.actor, method).remote(*arguments))

    async def wait_for(self, method: str, *arguments: Any) -> Any:
        """See `Wire`."""
        return await getattr(self.actor, method).remote(*arguments)


class Coordinator:
    """The actor that drives Ray Data, on the head: Ray's clients cannot do it from outside."""

    def __init__(self, job: Job) -> None:
        job.site.enter()
        self._answers = _drive(job)

    def next(self) -> list[Answer] | None:
        """What has been done since, at least one shard; None after the last."""
        return next(self._answers, None)


def _drive(job: Job) -> Iterator[list[Answer]]:
    import ray.data

    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    # Above any shard's size there is a cut: each is a block, a task and a piece of news of its own.
    context.target_max_block_size = 1
    pieces = cut_work(job.work, job.finished)

    class Shards(ray.data.Datasource):  # type: ignore[misc]
        """The missing shards, a piece of the input for each reader."""

        def get_read_tasks(self, *_: Any, **__: Any) -> list[Any]:
            from ray.data.block import BlockMetadata
            from ray.data.datasource import ReadTask

            nothing = BlockMetadata(
                num_rows=None, size_bytes=None, input_files=None, exec_stats=None
            )
            return [ReadTask(partial(read_piece, job, *piece), nothing) for piece in pieces]

        def estimate_inmemory_data_size(self) -> int | None:
            return None

    # Unlike resources also keep Ray Data from making one task of reading and pruning.
    reading = {"num_cpus": 0, "max_retries": TASK_RETRIES}
    shards = ray.data.read_datasource(
        Shards(), override_num_blocks=len(pieces), ray_remote_args=reading
    )
    done = shards.map_batches(
        partial(prune_block, job=job),
        batch_size=1,
        batch_format="pyarrow",
        num_cpus=WORKER_CPUS,
        max_retries=TASK_RETRIES,
    )
    batches = done.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0)
    for batch in batches:
        yield unseal(batch)


def _follow(
    coordinator: Any, ledger: Ledger, tools: Tools, on_progress: Callable[[Progress], None]
) -> int:
    """Take in the news of what is done, up to the end or to the first error."""
    n_shards = 0
    while (answers := _get(coordinator.next.remote())) is not None:
        for answer in answers:
            done: Done = open_answer(answer)
            _wait_until(
                partial(ledger.is_shard_finished, done.shard),
                f"{done.host} says that it wrote shard {done.shard}, and {ledger.folder} does not "
                "have it: --output must be a folder that all machines of the cluster share",
            )
            n_shards += 1
            tools.clock.add(done.seconds)
            on_progress(done.progress)
    return n_shards


# ---- The cluster ------------------------------------------------------------------------------


def _find_address(on: str) -> str:
    """What `ray.init` is told."""
    if on == "ray":
        return "local"
    address = on if on.startswith("ray://") else on.removeprefix("ray:")
    if on.startswith("ray:") and (address == "auto" or _split_address(address)):
        return address
    raise ClusterError(
        f"--on {on}: write ray (this machine), ray:auto (the cluster it is part of), "
        "ray:HOST:PORT (its head's address) or ray://HOST:PORT (from outside)"
    )


def _split_address(address: str) -> tuple[str, int] | None:
    host, _, port = address.removeprefix("ray://").rpartition(":")
    return (host.strip("[]"), int(port)) if host and port.isdigit() else None


@contextmanager
def _connected(address: str) -> Iterator[None]:
    """Be connected to a cluster; a connection that was there before is used and left alone."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ImportError:
        raise MissingExtraError("--on ray", "ray") from None
    if ray.is_initialized():
        yield
        return
    host_and_port = _split_address(address)
    try:
        if host_and_port is not None:
            # Ray itself would try for half a minute.
            socket.create_connection(host_and_port, CONNECT_S).close()
        _connect(address)
    except (OSError, RuntimeError, ValueError, AssertionError, ray.exceptions.RayError) as error:
        words = (str(error).strip().splitlines() or [type(error).__name__])[0]
        if host_and_port is not None and not isinstance(error, OSError):
            words += "; if the cluster asks for a token, set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN"
        raise ClusterError(f"no Ray cluster at {address}: {words}") from error
    try:
        yield
    finally:
        _hush(False)
        ray.shutdown()


def _hush(is_on: bool) -> None:
    """Keep what Ray's machines report (a worker has died, a task goes again) off stdout, where it
    comes even without `log_to_driver`. There is no public switch for that.
    """
    from ray._private import worker

    worker._worker_logs_enabled = not is_on


def _connect(address: str) -> None:
    import ray

    is_told = _log.isEnabledFor(logging.DEBUG)
    options: dict[str, Any] = {
        "log_to_driver": is_told,
        "logging_level": logging.INFO if is_told else logging.ERROR,
    }
    if address == "local":
        options |= {"include_dashboard": False, "object_store_memory": OBJECT_STORE_BYTES}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ray.init(address, **options)
    _hush(not is_told)


def _check_nodes(site: Site, ledger: Ledger) -> None:
    """Make sure that every machine has this asap and sees the run folder, and is seen there.

    Raises:
        ClusterError: one does not.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    probe = f"data/probe-{uuid.uuid4().hex}"
    version = find_versions().get("asap-cot")
    asked = {}
    for node in ray.nodes():
        if node["Alive"]:
            there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            ask = ray.remote(_answer_probe).options(num_cpus=0, scheduling_strategy=there)
            reply = f"{probe}-{node['NodeID']}.tmp"
            asked[reply] = (
                node["NodeManagerHostname"],
                ask.remote(site, ledger, f"{probe}.tmp", reply, version),
            )
    ledger.write_text(f"{probe}.tmp", "driver")
    try:
        for reply, (host, answer) in asked.items():
            _hear(ledger, host, reply, answer)
    finally:
        for name in (f"{probe}.tmp", *asked):
            ledger.remove(name)


def _hear(ledger: Ledger, host: str, reply: str, answer: Any) -> None:
    """Take one machine's answer, and look for what it wrote."""
    import ray

    try:
        open_answer(_get(answer, PROBE_S))
    except (ray.exceptions.TaskUnschedulableError, ray.exceptions.NodeDiedError):
        return  # it has left
    except ray.exceptions.GetTimeoutError:
        raise ClusterError(f"{host} takes no task; is it well? (ray status)") from None
    except ray.exceptions.RayTaskError as error:
        # The task could not even be read there.
        words = str(error.cause or error).strip().splitlines()[-1]
        raise ClusterError(
            f"{host} cannot run asap: {words}; install the same asap-cot on every machine"
        ) from None
    _wait_until(
        partial(ledger.has, reply),
        f"{host} wrote to {ledger.folder}, and it is not seen here: --output must be a folder that "
        "all machines of the cluster share",
    )


def _answer_probe(
    site: Site, ledger: Ledger, probe: str, reply: str, version: str | None
) -> Answer:
    """In a task on each machine."""

    def answer() -> None:
        site.enter()
        host, here = socket.gethostname(), find_versions().get("asap-cot")
        if here != version:
            raise ClusterError(f"{host} has asap {here}, the driver {version}: install one version")
        _wait_until(
            partial(ledger.has, probe),
            f"{host} does not see {ledger.folder}: --output must be a folder that all machines of "
            "the cluster share, or an address like s3://BUCKET/RUN",
        )
        ledger.write_text(reply, host)

    return try_call(answer)


def _wait_until(holds: Callable[[], bool], otherwise: str) -> None:
    """Give a shared folder the time that it may take.

    Raises:
        ClusterError: it does not hold.
    """
    deadline = time.monotonic() + SEEN_S
    while not holds():
        if time.monotonic() > deadline:
            raise ClusterError(otherwise)
        time.sleep(0.2)


@contextmanager
def _translated() -> Iterator[None]:
    """What Ray raises where the cluster fails, as an end from which the same command goes on."""
    import ray

    try:
        yield
    except ray.exceptions.RayTaskError as error:
        # Ours travel as values: this is Ray's own, or a defect.
        cause = error.cause
        if not isinstance(cause, ray.exceptions.RayError):
            raise
        raise _lost(cause) from error
    except (ray.exceptions.RayError, ConnectionError) as error:
        raise _lost(error) from error


def _lost(error: Exception) -> ClusterLost:
    words = (str(error).strip().splitlines() or [""])[0]
    return ClusterLost(
        f"the Ray cluster failed ({type(error).__name__}: {words}); what is finished stays, the "
        "same command goes on"
    )


def _start(actor: type, options: dict[str, Any], *arguments: Any) -> Any:
    import ray

    return ray.remote(actor).options(**options).remote(*arguments)


def _end(actor: Any) -> None:
    """End an actor; one that has ended already, or whose cluster has, is none to end."""
    import ray

    with suppress(Exception):
        ray.kill(actor)


def _get(reference: Any, timeout_s: float | None = None) -> Any:
    import ray

    return ray.get(reference, timeout=timeout_s)
