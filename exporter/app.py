"""The exporter: creates all components, reloads the configuration, and stops in order."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Coroutine

import structlog

from exporter import __version__
from exporter.budget.keeper import BudgetKeeper
from exporter.budget.spending import Spending
from exporter.cluster.leader import LeaderElection
from exporter.cluster.source import ConfigSource
from exporter.cold.watch import ColdWatch
from exporter.config.plan import Plan, PlanChange
from exporter.config.root import Config
from exporter.metrics import exporter_families as families
from exporter.metrics.past_keeper import PastKeeper
from exporter.metrics.push.optional import pusher_of
from exporter.metrics.registry import Metrics
from exporter.net.sockets import sockets
from exporter.observation import Observation
from exporter.probing.controls import Controls
from exporter.probing.grid import spread
from exporter.probing.prober import Prober
from exporter.probing.schedule import Schedule
from exporter.process import early_signals
from exporter.process.descriptors import for_probes, raise_limit
from exporter.process.heap import Heap
from exporter.process.heartbeat import watch_loop
from exporter.process.logs import log_failure
from exporter.providers.building import build_models
from exporter.settings.mistakes import ConfigError
from exporter.site.backend import Condition, Spent
from exporter.site.schedule_observers import ScheduleObservers
from exporter.site.server import WebServer
from exporter.site.status import Status

GRACE_SECONDS = 20.0
"""How long running probes can continue after SIGTERM. Kubernetes kills the process after 30 s."""
_WATCH_SECONDS = 3.0

log = structlog.get_logger(__name__)


def _fixed(config: Config) -> object:
    """What a reload cannot change."""
    return (
        config.web,
        config.metrics,
        config.leader_election,
        config.kubernetes,
        config.own_labels,
        config.push,
    )


def _loaded(source: ConfigSource) -> Config:
    """Load the configuration, and build everything that its probes need to read answers.

    :raises ConfigError: it has mistakes.
    """
    config = source.load()
    build_models(plan.dialect for plan in config.plans())
    return config


class Exporter:
    """One running exporter, which is also the back end of the web server's thread."""

    def __init__(self, source: ConfigSource) -> None:
        self._source = source
        self._fingerprint = source.fingerprint()
        self._config = _loaded(source)
        self._plans: tuple[Plan, ...] = ()
        self._stopping = asyncio.Event()
        self._reloading = asyncio.Lock()
        self._next_reload: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.loop = asyncio.get_running_loop()
        self.ready = False
        self._started_at = self._loaded_at = time.time()
        self._config_error: str | None = None
        self._heap = Heap()
        self.metrics = Metrics(self._config.own_labels, self._config.metrics)
        self.metrics.reporters.append(source.report)
        self.status = Status()
        spending = Spending()
        self._past = PastKeeper(self.metrics)
        self._budgets = BudgetKeeper(spending, self.metrics.exporter)
        self._election = self._stand_for_election(self._config)
        observers = (self.metrics.observe, self.status.observe, self._budgets.observe)
        self._prober = Prober(
            (*observers, lambda observation: log_failure(observation.result)),
            purse=spending,
            may_probe=self._may_probe,
        )
        waiting = (self.metrics.waiting, self.status.waiting)
        self._cold = ColdWatch(self._prober, waiting, self.metrics.booting)
        both = ScheduleObservers(self.metrics, self.status)
        self._schedule = Schedule(self._prober, both, self._cold.probe, self._cold.keeps_back)
        self._controls = Controls(self.metrics.control)
        self._pusher = pusher_of(self._config, self.metrics)
        self.metrics.probes_in_flight = lambda: self._prober.in_flight

    @property
    def lifecycle_enabled(self) -> bool:
        return self._config.web.enable_lifecycle

    @property
    def condition(self) -> Condition:
        """The state of the exporter. Any thread can read it."""
        day, config = self._budgets.shown, self._config
        return Condition(
            started_at=self._started_at,
            stands_by=not self._may_probe(),
            leader=self._election.leader if self._election else None,
            config_loaded_at=self._loaded_at,
            config_error=self._config_error,
            spent=Spent(
                float(day.total_usd),
                config.budget.usd_per_day,
                {name: float(usd) for name, usd in day.usd.items()},
                {it.name: it.budget.usd_per_day for it in config.targets if it.budget},
            ),
            probes_in_flight=self._prober.in_flight,
            config=config,
        )

    async def run(self, on_started: Callable[[str], None]) -> None:
        """Probe until SIGTERM or SIGINT.

        :param on_started: called with the URL once everything runs.
        :raises WebError: the web server cannot listen.
        """
        self._handle_signals()
        raise_limit()
        sockets.limit = for_probes(self._config.web.max_connections)
        server = WebServer(self, self._config.web)
        server.start()
        try:
            self._schedule.start()
            self._apply(self._config)
            if self._election:
                self._election.start()
            if self._pusher:
                self._pusher.start()
            self.ready = True
            log.info("started", version=__version__, url=server.url)
            on_started(server.url)
            async with asyncio.TaskGroup() as tasks:
                watchers = [
                    tasks.create_task(self._watch_configuration()),
                    tasks.create_task(self._budgets.run()),
                    tasks.create_task(self._past.run()),
                    tasks.create_task(watch_loop(self._note_lag, self._realign)),
                ]
                await self._stopping.wait()
                for watcher in watchers:
                    watcher.cancel()
        finally:
            self.ready = False
            self._stopping.set()  # a running reload must start nothing from now on
            self._schedule.stop()
            self._controls.stop()
            self._cold.stop()
            self._heap.stop()
            log.info("stopping", probes_in_flight=self._prober.in_flight)
            await self._prober.aclose(GRACE_SECONDS)
            if self._election:  # release the lease only after the last probe has ended
                await asyncio.to_thread(self._election.stop)
            self._budgets.close()
            self._past.close()
            if self._pusher:
                await asyncio.to_thread(self._pusher.stop)
            await asyncio.to_thread(server.stop)  # a scrape may wait until this loop is idle

    async def probe_target(self, name: str) -> tuple[Observation, ...]:
        """Probe one configured target now, with all its probes.

        :raises KeyError: no target has this name.
        :raises NotProbed: the probes could exceed a budget, or another exporter probes.
        """
        plans = [plan for plan in self._plans if plan.target.name == name]
        if not plans:
            raise KeyError(name)
        return tuple(await asyncio.gather(*map(self._cold.probe, plans)))

    async def reload(self) -> None:
        """Reload the configuration, or share a reload that has yet to read it.

        :raises ConfigError: it has errors, and nothing has changed.
        """
        await asyncio.shield(self._shared_reload())

    def _shared_reload(self) -> asyncio.Task[None]:
        if self._next_reload is None:
            self._next_reload = self._soon(self._reload_in_turn())
            self._next_reload.add_done_callback(self._reload_ended)
        return self._next_reload

    async def _reload_in_turn(self) -> None:
        async with self._reloading:
            self._next_reload = None
            self._fingerprint = await asyncio.to_thread(self._source.fingerprint)
            try:
                config = await asyncio.to_thread(_loaded, self._source)
            except ConfigError as error:
                self.metrics.exporter.gauge(families.RELOAD_SUCCESSFUL).set(0)
                self._config_error = str(error)
                log.error("configuration not reloaded, the old one stays active", error=str(error))
                raise
            if self._stopping.is_set():
                log.info("configuration not reloaded: the exporter is stopping")
                return
            if _fixed(config) != _fixed(self._config):
                log.warning("restart to change web, metrics, location, push, or leader election")
            self._apply(config)
            log.info("configuration reloaded", targets=len(config.targets))

    def _apply(self, config: Config) -> None:
        """Activate a configuration, in one iteration of the loop so that no task sees a part."""
        self._config = config
        self._budgets.apply(config)
        self._controls.apply(config.controls)
        self.metrics.apply_controls([control.name for control in config.controls])
        self._apply_plans()
        for target, why in config.unknown_prices():
            log.warning("price unknown: no cost, and no budget limit", target=target, why=why)
        self.metrics.exporter.gauge(families.RELOAD_SUCCESSFUL).set(1)
        self._loaded_at, self._config_error = time.time(), None
        self.metrics.exporter.gauge(families.RELOAD_TIMESTAMP).set(self._loaded_at)

    def _apply_plans(self) -> None:
        """Activate the plans. A standby has none, because it has no results to show for them."""
        plans = spread(self._config.plans() if self._may_probe() else (), self._plans)
        change, self._plans = PlanChange.between(self._plans, plans), plans
        self.metrics.apply(change, self._config.mix)
        self._past.apply(self._config.state_folder, plans)
        self.status.apply(change)
        self._cold.apply(change)
        self._prober.apply(change)
        self._schedule.apply(change)
        self._heap.changed(len(plans))

    def _stand_for_election(self, config: Config) -> LeaderElection | None:
        if config.leader_election is None:
            return None
        election = LeaderElection(config.kubernetes, self._leadership_changed)
        self.metrics.reporters.append(election.report)
        return election

    def _may_probe(self) -> bool:
        return self._election is None or self._election.leads()

    def _leadership_changed(self) -> None:
        self.loop.call_soon_threadsafe(lambda: self._soon(self._follow_leadership()))

    async def _follow_leadership(self) -> None:
        async with self._reloading:
            if self.ready:
                self._apply_plans()

    async def _watch_configuration(self) -> None:
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            if await asyncio.to_thread(self._source.fingerprint) != self._fingerprint:
                await asyncio.wait({self._shared_reload()})

    def _reload_ended(self, reload: asyncio.Task[None]) -> None:
        """Log a crash here, because those who waited for the reload may be gone."""
        if not reload.cancelled() and not isinstance(why := reload.exception(), ConfigError | None):
            log.error("reload crashed, the old configuration stays active", exc_info=why)

    def _realign(self) -> None:
        self._schedule.realign()
        self._cold.realign()

    def _handle_signals(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            self.loop.add_signal_handler(number, self._stopping.set)
        self.loop.add_signal_handler(signal.SIGHUP, self._reload_soon)
        if early_signals.take_hangup():
            self._reload_soon()

    def _reload_soon(self) -> None:
        if not self._stopping.is_set():
            self._shared_reload()

    def _soon(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _note_lag(self, seconds: float) -> None:
        self.metrics.exporter.histogram(families.EVENT_LOOP_LAG).observe(seconds)
