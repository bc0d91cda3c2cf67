"""How the processes of a job share the work of training: alone, together in step, or on parameter servers."""

from __future__ import annotations

import abc
import contextlib
import dataclasses
import functools
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence

import tensorflow as tf

from trainer.estimator.contract.run_config import RunConfig
from trainer.estimator.contract.xla_use import asked_for
from trainer.estimator.distribution import devices, step_memory, steps_in_hand, sync
from trainer.estimator.distribution.collectives import Devices, Group, Processes
from trainer.estimator.distribution.ps.servers import Servers
from trainer.estimator.distribution.ps.steps import ServerSteps
from trainer.estimator.distribution.step_memory import StepMemory
from trainer.estimator.graph import scaffolds
from trainer.estimator.graph.model_function import ModelReplica
from trainer.estimator.saving import checkpoints
from trainer.estimator.steps.compiling.program import Compiled
from trainer.estimator.steps.diagnosis.bad_step import BadStep
from trainer.estimator.steps.diagnosis.nan_loss import Why
from trainer.estimator.steps.inner import one_device, replay
from trainer.estimator.steps.input.batches import StackedBatches
from trainer.estimator.steps.input.input_position import Part
from trainer.estimator.steps.input.stacks import stack_steps, stackable
from trainer.estimator.steps.plan import TrainingPlan
from trainer.estimator.steps.steps import Steps
from trainer.job import garbage
from trainer.job.distribution import Distribution

log = logging.getLogger("trainer")


class Strategy(abc.ABC):
    """Where variables live and who makes steps.

    Attributes:
      batches_per_step: how many batches of the input function a step of the whole job is on.
      together: whether all processes have to look for what broke a step at once.
      replicas: the model on each device of this process, of the last training; empty before there was one.
    """

    batches_per_step = 1
    together = False
    replicas: Sequence[ModelReplica] = ()

    @abc.abstractmethod
    def begin(self, plan: TrainingPlan) -> Steps:
        """Traces the model, sets its variables, and gives what makes the steps.

        Raises:
          ValueError: data that this way of training cannot take, or values that do not fit the model.
        """

    def bad_steps(
        self, plan: TrainingPlan, steps: Steps, last: int, check_time: Callable[[], None]
    ) -> Iterable[BadStep]:
        """Steps in which a training may have broken, to be looked at one after the other.

        Args:
          plan: of that training, with values and position of its last checkpoint.
          steps: that `begin` gave.
          last: the step at which it is known to be broken.
          check_time: raises what ends the search.
        """
        return ()

    def shared(self, why: Why) -> Why:
        """What this process has found, or another one that trains together with it."""
        return why

    def resume(self, newest: str | None) -> tuple[str | None, int]:
        """The checkpoint that training resumes from, and the global step that it begins at, as the chief sees it.

        Args:
          newest: the checkpoint that this process sees; None without one.
        """
        return newest, checkpoints.saved_step(newest) if newest else 0


class Alone(Strategy):
    """One process, one device. What it compiled for one training serves the next one of the same model.

    Args:
      device: its name; None for TensorFlow's choice.
    """

    def __init__(self, device: str | None = None) -> None:
        self._device, self._compiled = device, Compiled()

    @garbage.uncollected()
    def begin(self, plan: TrainingPlan) -> Steps:
        # Variables of an earlier training are set to the checkpoint, and kept: a program is compiled for the variables
        # that it was traced with. Without a checkpoint they have to take their initial values, as only new ones do.
        if not self.replicas or plan.values.checkpoint is None:
            self._compiled = Compiled()
            store = plan.values.new_store(plan.config.tf_random_seed, functools.partial(tf.device, self._device))
            self.replicas = [ModelReplica(plan.model, store)]
        # The model of the plan has the hooks of this training.
        replica = dataclasses.replace(self.replicas[0], model=plan.model)
        self.replicas = [replica]
        begun = one_device.begin(plan, replica, self._compiled, self._device)
        plan.values.assign(replica.store)
        scaffolds.start(begun.traced, restored=plan.values.checkpoint is not None)
        return begun

    def bad_steps(
        self, plan: TrainingPlan, steps: Steps, last: int, check_time: Callable[[], None]
    ) -> Iterator[BadStep]:
        again = one_device.again(plan, steps, self.replicas[0], self._compiled, self._device)
        plan.values.assign(self.replicas[0].store)
        try:
            bad = replay.find(again, last, check_time)
            if bad is not None:
                yield bad
        finally:
            again.close()


class Synchronous(Strategy):
    """Devices in step, of one process or of several, each with a copy of the variables and batches of its own.

    Args:
      group: the devices.
      memory: of the last step, for the case that a process is lost.
    """

    def __init__(self, group: Group, memory: StepMemory | None = None) -> None:
        self.together = group.size > 1
        self._group, self._memory = group, memory or StepMemory()
        self.batches_per_step = group.size * len(group.participants)

    def begin(self, plan: TrainingPlan) -> Steps:
        self.replicas = self._new_replicas(plan)
        batches, xla = self._batches(self._dataset(plan), plan), asked_for(plan.config.session_config)
        begun = sync.SyncSteps(self._group, batches, self.replicas, self._memory, xla)
        first, *others = [replica.store for replica in self.replicas]
        # Set from the checkpoint or by their initial values, on the first device. The other processes may not see the
        # chief's directory, and have drawn other initial values, so all take the chief's; by name, since every process
        # has to send them in the same order.
        plan.values.assign(first)
        scaffolds.start(begun.traced, restored=plan.values.checkpoint is not None)
        self._memory.close()
        with sync.peers_needed():
            self._group.broadcast([variable for _, variable in sorted(first.saved().items())])
        for store in others:
            for name, variable in store.saved().items():
                variable.assign(first.by_name[name].read_value())
        return begun

    def _new_replicas(self, plan: TrainingPlan) -> list[ModelReplica]:
        """One for each device of this process; each device of the job has another seed."""
        participants = self._group.participants
        first = self._group.index * len(participants)
        replicas = []
        for number, participant in enumerate(participants):
            seed = sync.seed_of(plan.config.tf_random_seed, first + number)
            store = plan.values.new_store(seed, functools.partial(tf.device, participant.device))
            replicas.append(ModelReplica(plan.model, store))
        return replicas

    def _dataset(self, plan: TrainingPlan) -> tf.data.Dataset:
        """This process's part of the data."""
        # One pipeline a process, from which its devices take batches in turn, and not one for each device: the state of
        # one iterator is what a checkpoint keeps.
        group, count = self._group, len(self._group.participants)
        dataset = plan.dataset(tf.distribute.InputContext(group.size, group.index, group.size * count))
        if not stackable(dataset.element_spec):
            raise ValueError(
                f"The input function gives {dataset.element_spec}. "
                "Devices that train in step take dense tensors [batch, …] of known shapes. "
                "Make such tensors of what is sparse, ragged or a value of Python, or train on one device"
            )
        return dataset

    def _batches(self, dataset: tf.data.Dataset, plan: TrainingPlan) -> StackedBatches:
        """Batches for all devices of this process, from the place in the data where training resumes."""
        # A stack of as many steps as on one device, each of which takes a batch for every device.
        most = stack_steps(dataset.element_spec, plan.config.steps_per_loop, plan.config.save_checkpoints_steps)
        stack, seeded = most * len(self._group.participants), plan.config.tf_random_seed is not None
        batches = StackedBatches(dataset, stack, plan.account, seeded=seeded)
        if plan.position:
            batches.restore(plan.position, Part(self._group.index, self._group.size))
        return batches

    def bad_steps(
        self, plan: TrainingPlan, steps: Steps, last: int, check_time: Callable[[], None]
    ) -> Iterator[BadStep]:
        assert isinstance(steps, sync.SyncSteps)
        with sync.peers_needed():
            yield from steps_in_hand.bad_steps(
                plan, steps.spec, steps.in_hand(last), plan.config.tf_random_seed, self._group.broadcast
            )

    def shared(self, why: Why) -> Why:
        with sync.peers_needed():
            each = [Why.of_bytes(bytes(int(byte) for byte in row)) for row in self._group.gather(list(why.to_bytes()))]
        return next((one for one in each if one.found), why)

    def resume(self, newest: str | None) -> tuple[str | None, int]:
        # A worker that does not see the chief's directory knows of no checkpoint: the chief's step counts, the first.
        # But processes that lost a peer may have a later step in memory than the last checkpoint, all or some of them.
        newest, saved = super().resume(newest)
        left = self._memory.left()
        with sync.peers_needed():
            steps = self._group.gather([saved, step_memory.step_of(left)]).astype(int)
            self._memory.met()
            first = max(steps[0, 0], steps[:, 1].max())
            if first > steps[0, 0]:
                holder = int(steps[:, 1].argmax(axis=0))
                left = self._group.send(left if holder == self._group.index else b"", holder)
        if left and step_memory.step_of(left) == first:
            log.info("Going on at step %d, which processes of the job had in memory.", first)
            newest = self._memory.unpacked(left)
        return newest, int(first)


class ParameterServers(Strategy):
    """Workers on variables that parameter servers hold; this process is the chief.

    Args:
      config: of the run, whose cluster has parameter servers. The first training waits for all of them.
    """

    def __init__(self, config: RunConfig) -> None:
        self._config = config

    @functools.cached_property
    def _servers(self) -> Servers:
        """Connected when there is something to train.

        A chief that was ended between its last step and its exit comes back to servers that have ended, and needs none.
        """
        return Servers(self._config.cluster, self._config.train_distribute)

    def begin(self, plan: TrainingPlan) -> Steps:
        store = plan.values.new_store(plan.config.tf_random_seed, self._scope, self._servers.placement)
        self.replicas = [ModelReplica(plan.model, store)]
        begun = ServerSteps(self._servers, plan, self.replicas[0])
        plan.values.assign(store)
        scaffolds.start(begun.traced, restored=plan.values.checkpoint is not None)
        return begun

    def bad_steps(
        self, plan: TrainingPlan, steps: Steps, last: int, check_time: Callable[[], None]
    ) -> Iterator[BadStep]:
        assert isinstance(steps, ServerSteps)
        steps_in_hand.check_fits(self.replicas[0].store.by_name.values())
        yield from steps_in_hand.bad_steps(plan, steps.spec, steps.all_in_hand(last), plan.config.tf_random_seed)

    @contextlib.contextmanager
    def _scope(self) -> Iterator[None]:
        """Within it, variables are made on the servers."""
        # Also where the model function has a variable scope with a caching device open, as static_rnn has, which
        # TensorFlow refuses outside of graphs: so a plain one is opened.
        plain = tf.compat.v1.VariableScope(reuse=False)
        with tf.compat.v1.variable_scope(plain, auxiliary_name_scope=False), self._servers.strategy.scope():
            yield


def choose(config: RunConfig, memory: StepMemory | None = None) -> Strategy:
    """The strategy for the distribution that a run's cluster and settings ask for.

    Where this process does all the work, it takes all of its devices, or those of the `tf.distribute` strategy that
    was given.

    Args:
      config: of the run.
      memory: of the last step, for the case that another process of a synchronous job is lost.
    """
    match config.distribution:
        case Distribution.PS:
            return ParameterServers(config)
        case Distribution.SYNC:
            with sync.peers_needed():
                return Synchronous(Processes(config.cluster, config.train_distribute), memory)
        case Distribution.LOCAL:
            return _in_one_process(devices.of_strategy(config.train_distribute))


def _in_one_process(names: Sequence[str] | None) -> Strategy:
    if names is None:
        return Alone()
    return Alone(names[0]) if len(names) == 1 else Synchronous(Devices(names))
