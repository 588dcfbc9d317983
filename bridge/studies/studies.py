"""Studies: ask and tell for callers who evaluate by themselves.

The rows are the study. A sampler in memory is only a fast way to know what
they imply: it is brought up to the log's end before each proposal, so a server
that was killed, or another one on the same database, proposes the same.

Samplers live in the server process, not in a job process: a proposal is some tens of
milliseconds of numpy and needs no torch, while a process for each study would
hold 100 MB and still have to be brought up to date. The arithmetic runs in
threads of its own, so the event loop and the other procedures stay free. It is
done in steps of at most about half a second, in turns with other studies; a
call whose caller has left ends with the step that it is at.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ParamSpec, TypeVar
from weakref import WeakValueDictionary

import msgspec
import numpy as np
import uuid_utils

from bridge.contract.studies import (
    BestTrials,
    CreateStudy,
    DeleteStudy,
    ListStudies,
    Report,
    Study,
    StudyList,
    StudyObjective,
    StudyTrial,
    StudyTrialList,
    Suggest,
    Suggestion,
    SuggestionList,
)
from bridge.process.tasks import to_its_end
from bridge.process.threads import Threads
from bridge.runs.kinds import Deps
from bridge.studies.rows import LockedStudy, LogEntry, StudyPlan, StudyStore
from bridge.studies.sizes import check_tree_bytes, trees_in_an_answer
from cerebros.errors import (
    AlreadyExists,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    ResourceExhausted,
    SpaceRejected,
)
from cerebros.samplers import make_sampler
from cerebros.search.motpe import Motpe
from cerebros.search.pareto import pareto_set
from cerebros.search.sampler import RandomSampler
from cerebros.space.rose_tree import Space, Tree
from cerebros.space.spaces import space_from_document

# Samplers kept in memory, the most recently asked ones; 10,000 trials take one about 2.5 MB.
RESIDENTS = 32

# The sampler expects something of every trial that is out, so each makes the next proposal dearer.
OUT_AT_MOST = 256

# Nodes, decisions and conditions' values of a space's largest tree. Measured with four objectives: 0.2 s a
# proposal for 256 numbers, 0.5 s for 1,024 choices, 2.5 s for 4,096 numbers.
SIZE_AT_MOST = 1024

# Each call reads the space from the study's row, and the event loop waits meanwhile: 5 ms.
SPACE_BYTES = 256 * 1024

# Each study at work holds a connection; half of the pool's stay free for all other procedures.
AT_WORK = 4

# Log entries a sampler takes in at once: enough to make reading cheap, few enough to fit memory, and
# no more than so many decisions, which take about 0.2 s.
LOG_PAGE = 1000
DECISIONS_REPLAYED = 20_000


Given = ParamSpec("Given")
Result = TypeVar("Result")


class Resident:
    """A sampler that knows a study's log up to entry `seq`."""

    def __init__(self, plan: StudyPlan) -> None:
        self._objectives = plan.objectives
        sampler = make_sampler(plan.sampler, plan.space, plan.seed)  # within the limits that the space declares
        assert isinstance(sampler, Motpe | RandomSampler)  # noqa: S101 - StudySampler names no other
        self._sampler = sampler
        self.page = max(1, min(LOG_PAGE, DECISIONS_REPLAYED // plan.space.size()))
        self.seq = 0

    def replay(self, entries: Sequence[LogEntry], up_to_seq: int) -> None:
        for entry in entries:
            if entry.told:
                told = None if entry.values is None else _losses(entry.values, self._objectives)
                self._sampler.tell(entry.tree, told)
            else:
                self._sampler.recall(entry.tree)
        self.seq = up_to_seq

    def proposals(self, count: int) -> Iterator[Tree]:
        """Yield the next trees; the log gets an entry for each."""
        self.seq += count
        return self._sampler.proposals(count)


class Studies:
    """Studies as their procedures use them: one per server process."""

    def __init__(self, deps: Deps) -> None:
        self._store = StudyStore(deps.database)
        self._residents: OrderedDict[int, Resident] = OrderedDict()  # by study_key, last asked last
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._places = asyncio.Semaphore(AT_WORK)
        self._threads = Threads("studies", AT_WORK)

    async def create(self, request: CreateStudy) -> Study:
        """Create a study; a repeated request with the same study_id and content answers the existing study.

        Raises:
            SpaceRejected: the space contradicts itself, is empty or too large.
            InvalidArgument: an objective comes twice.
            AlreadyExists: the id belongs to a study with other content.
        """
        names = [objective.name for objective in request.objectives]
        if len(set(names)) != len(names):
            raise InvalidArgument(f"objectives {names} name one twice; name each once")
        plan = StudyPlan(read_space(request.space), request.objectives, request.sampler, request.seed, request.lease_s)
        study_id = request.study_id or str(uuid_utils.uuid7())
        created = await self._store.insert_study(study_id, plan)
        study = await self._store.get_study(study_id)
        if not created and msgspec.convert(msgspec.to_builtins(study), StudyPlan) != plan:
            raise AlreadyExists(
                f"study {study_id!r} was created with other content; choose another study_id or send the same content"
            )
        return study

    async def suggest(self, request: Suggest) -> SuggestionList:
        """Hand out trials: first those whose lease ran out, with their attempts raised, then new ones up to the limit.

        Raises:
            ResourceExhausted: the limit of unreported trials is reached.
        """
        async with self._turn(request.study_id), self._places:
            async with self._store.locked(request.study_id) as study:
                count = min(request.count, trees_in_an_answer(study.plan.space))
                handed_out = await study.reclaim_trials(count)
                wanted = min(count - len(handed_out), OUT_AT_MOST - study.trials_out)
                if not handed_out and wanted <= 0:
                    raise ResourceExhausted(
                        f"{study.trials_out} trials of study {request.study_id!r} are out and {OUT_AT_MOST} may be; "
                        "report some, or wait for their leases to end"
                    )
                if wanted > 0:
                    resident, fresh = await self._propose(study, wanted)
                    handed_out += fresh
            # Kept after the commit only: a sampler whose proposals were not saved is not what the rows imply.
            if wanted > 0:
                self._keep(study.study_key, resident)
        return SuggestionList(suggestions=tuple(handed_out))

    async def report(self, request: Report) -> StudyTrial:
        """Store the end of a trial, once; the same report again gets the same answer.

        Raises:
            NotFound: the study has no such trial.
            FailedPrecondition: the trial was handed out again since.
            AlreadyExists: it was reported with another end.
            InvalidArgument: the values are not one finite number for each objective.
        """
        async with self._turn(request.study_id), self._places, self._store.locked(request.study_id) as study:
            _require_values(request, study.plan.objectives)
            trial = await study.trial(request.number)
            if trial is None:
                raise NotFound(
                    f"study {request.study_id!r} has no trial {request.number}; "
                    f"it has handed out {study.trials_total}, numbered from 0"
                )
            _require_attempt(request, trial)
            if trial.outcome is None:
                await study.tell_trial(request)
                trial = await study.trial(request.number)
                assert trial is not None  # noqa: S101 - its row is locked
            elif (trial.outcome, trial.values) != (request.outcome, request.values):
                raise AlreadyExists(
                    f"trial {request.number} of study {request.study_id!r} was reported as {trial.outcome} with values "
                    f"{trial.values}; a report is final"
                )
            return trial

    async def best_trials(self, request: BestTrials) -> StudyTrialList:
        """Return the Pareto set of a study, by number."""
        study = await self._store.get_study(request.study_id)
        measured = await self._store.study_values(request.study_id)
        best = await self._step(_pareto_set, measured, study.objectives)
        return StudyTrialList(trials=await self._store.study_trials(request.study_id, best[: request.limit]))

    async def list_studies(self, request: ListStudies) -> StudyList:
        return StudyList(studies=await self._store.study_rows(None, request.limit))

    async def delete(self, request: DeleteStudy) -> Study:
        """Delete a study and its trials; return the study as it was."""
        study = await self._store.get_study(request.study_id)
        await self._store.delete_study(request.study_id)
        return study

    def _turn(self, study_id: str) -> asyncio.Lock:
        # Who waits for a study waits here, not with a connection of the pool in its hands.
        return self._turns.setdefault(study_id, asyncio.Lock())

    async def _propose(self, study: LockedStudy, count: int) -> tuple[Resident, list[Suggestion]]:
        resident = self._residents.get(study.study_key) or Resident(study.plan)
        while resident.seq < study.last_seq:
            up_to = min(study.last_seq, resident.seq + resident.page)
            await self._step(resident.replay, await study.log(resident.seq, up_to), up_to)
            self._keep(study.study_key, resident)
        # Taken out while it proposes: when this is cancelled or fails, the next proposal starts from the rows.
        self._residents.pop(study.study_key, None)
        trees, proposals = [], resident.proposals(count)
        while tree := await self._step(next, proposals, None):
            trees.append(tree)
        return resident, [await study.insert_trial(tree) for tree in trees]

    async def _step(self, work: Callable[Given, Result], *given: Given.args, **named: Given.kwargs) -> Result:
        """Do arithmetic in a thread; a cancelled caller waits for its end, so that a resident is never in two."""
        step = asyncio.create_task(self._threads.run(work, *given, **named))
        await to_its_end(_ended(step))
        return step.result()

    def _keep(self, study_key: int, resident: Resident) -> None:
        self._residents[study_key] = resident
        while len(self._residents) > RESIDENTS:
            self._residents.popitem(last=False)


def read_space(document: Mapping[str, object]) -> Space:
    """Read a space from a document in any form that `cerebros.space.spaces` accepts.

    Raises:
        SpaceRejected: it has another shape, contradicts itself, leaves
            nothing to decide, or has trees too large to search.
    """
    if (length := len(msgspec.json.encode(document))) > SPACE_BYTES:
        raise SpaceRejected(
            f"the space is a document of {length} bytes, and {SPACE_BYTES} are allowed; "
            "let ints be places in lists of your own, or search a part of the space"
        )
    space = space_from_document(document)
    if (size := space.size()) > SIZE_AT_MOST:
        raise SpaceRejected(
            f"the space's largest tree has {size} nodes, decisions and conditions' values, "
            f"{SIZE_AT_MOST} are allowed; lower the max of a slot, or search fewer parameters at a time"
        )
    check_tree_bytes(space)
    if not space.rules():
        raise SpaceRejected("the space is empty: no type below its root has a parameter or a slot; add one")
    return space


async def _ended(step: asyncio.Task[Any]) -> None:
    await asyncio.wait({step})


def _require_values(report: Report, objectives: Sequence[StudyObjective]) -> None:
    wanted = {objective.name for objective in objectives} if report.outcome == "ok" else set()
    if set(report.values) != wanted:
        raise InvalidArgument(
            f"outcome {report.outcome!r} has values for {sorted(report.values)}, it needs {sorted(wanted) or 'none'}; "
            "a trial without a value for each objective is reported with the outcome that says why"
        )


def _require_attempt(report: Report, trial: StudyTrial) -> None:
    if report.attempt < trial.attempt:
        raise FailedPrecondition(
            f"trial {report.number} of study {report.study_id!r} was handed out again after its lease: its attempt is "
            f"{trial.attempt}, not {report.attempt}; drop this result"
        )
    if report.attempt > trial.attempt:
        raise InvalidArgument(
            f"trial {report.number} of study {report.study_id!r} has attempt {trial.attempt}, {report.attempt} was "
            "never handed out; report the attempt of the suggestion"
        )


def _losses(values: Mapping[str, float], objectives: Sequence[StudyObjective]) -> list[float]:
    """Return the values as a vector to minimise, in the objectives' order."""
    return [
        -values[objective.name] if objective.direction == "maximize" else values[objective.name]
        for objective in objectives
    ]


def _pareto_set(measured: Sequence[tuple[int, dict[str, float]]], objectives: Sequence[StudyObjective]) -> list[int]:
    table = np.array([_losses(values, objectives) for _, values in measured]).reshape(-1, len(objectives))
    return [measured[n][0] for n in pareto_set(table)]
