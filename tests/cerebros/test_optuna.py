import time

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial
from threadpoolctl import threadpool_info

from cerebros.errors import InvalidArgument, SpaceRejected
from cerebros.nets.space import cerebros_space
from cerebros.optuna import sampler as optuna_sampler
from cerebros.optuna.sampler import RoseTreeSampler
from cerebros.optuna.search import OptunaSearch
from cerebros.optuna.trees import export_study, frozen_trial, import_study, parameters, tree_from
from cerebros.search.hypervolume import hypervolume
from cerebros.search.motpe import Motpe
from cerebros.search.objectives import Objective
from cerebros.search.observations import Observation
from cerebros.space.rose_tree import Choice, Float, Int, NodeType, Ordered, Slot, Space, Tree

SPACE = Space(
    "net",
    {
        "net": NodeType({"x": Float(0.0, 1.0), "flag": Choice((True, 1, "1"))}, (Slot("cell", 0, 3),)),
        "cell": NodeType({"width": Ordered((16, 32, 64)), "n": Int(1, 9, log=True), "on": Choice((True, False))}),
    },
)

COST, HEAT = (Objective(name, name, maximise=False, best=0.0) for name in ("cost", "heat"))

optuna.logging.set_verbosity(optuna.logging.ERROR)


def drawn_trees(n: int, space: Space = SPACE) -> list[Tree]:
    return [space.draw(np.random.default_rng(seed)) for seed in range(n)]


@pytest.mark.parametrize("space", [SPACE, cerebros_space()])
def test_a_tree_survives_as_parameters_of_a_trial(space):
    for tree in drawn_trees(20, space):
        assert tree_from(space, frozen_trial(space, tree, None)) == tree


def test_a_run_survives_as_a_study_in_a_database(tmp_path):
    seen = [Observation(tree, None if n == 2 else (float(n), -float(n))) for n, tree in enumerate(drawn_trees(5))]
    url = f"sqlite:///{tmp_path}/study.db"
    trials = [frozen_trial(SPACE, one.tree, one.losses) for one in seen]
    export_study(trials, (COST, HEAT), "run", url)
    loaded = optuna.load_study(study_name="run", storage=url)
    assert [trial.number for trial in loaded.best_trials] == [0, 1, 3, 4]
    assert import_study(SPACE, loaded) == seen


def test_maximised_values_become_losses():
    study = optuna.create_study(directions=["maximize", "minimize"])
    (tree,) = drawn_trees(1)
    study.enqueue_trial(parameters(SPACE, tree))
    study.add_trial(frozen_trial(SPACE, tree, (3.0, 4.0)))
    assert import_study(SPACE, study) == [Observation(tree, (-3.0, 4.0))]


def test_a_study_of_another_space_is_refused():
    study = optuna.create_study()
    study.optimize(lambda trial: trial.suggest_float("y", 0, 1), n_trials=1)
    with pytest.raises(SpaceRejected, match="trial 0 has no parameter 'x', only y; import a study"):
        import_study(SPACE, study)


FLAT = Space(
    "params",
    {
        "params": NodeType(
            {
                "lr": Float(1e-4, 0.1, log=True),
                "width": Ordered((16, 32, 64)),
                "drop": Ordered(tuple(0.1 * n for n in range(6))),
                "n": Int(1, 9),
                "act": Choice(("relu", "gelu")),
            }
        )
    },
)
POINT = Tree("params", {"lr": 0.01, "width": 32, "drop": 0.1 * 3, "n": 3, "act": "gelu"})


def native_objective(trial: optuna.Trial) -> float:
    """An objective as an Optuna user writes it, without any thought of rose trees."""
    rate = trial.suggest_float("lr", 1e-4, 0.1, log=True)
    width = trial.suggest_categorical("width", [64, 16, 32])
    drop = trial.suggest_float("drop", 0.0, 0.5, step=0.1)
    return (
        rate * width
        + drop
        + trial.suggest_int("n", 1, 9)
        + (trial.suggest_categorical("act", ["gelu", "relu"]) == "relu")
    )


def ended_trial(state: TrialState = TrialState.COMPLETE, value: float | None = 1.0, **params: object) -> FrozenTrial:
    """A trial of `native_objective`, with other parameters where they are given, and without those that are None."""
    kinds = {
        "lr": FloatDistribution(1e-6, 1.0, log=True),
        "width": CategoricalDistribution([64, 16, 32, 48]),
        "drop": FloatDistribution(0.0, 0.5, step=0.1),
        "n": IntDistribution(0, 9),
        "act": CategoricalDistribution(["gelu", "relu", "tanh"]),
        "momentum": FloatDistribution(0.0, 1.0),
    }
    asked = {name: given for name, given in ({"drop": 0.3} | POINT.p | params).items() if given is not None}
    over = {name: kinds[name] for name in asked}
    return create_trial(state=state, value=value, params=asked, distributions=over)


def study_of(*trials: FrozenTrial) -> optuna.Study:
    study = optuna.create_study()
    study.add_trials(trials)
    return study


def test_a_native_study_is_a_warm_start_by_its_own_names():
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(0))
    study.optimize(native_objective, n_trials=12)
    seen = import_study(FLAT, study)
    assert [observation.losses for observation in seen] == [(trial.value,) for trial in study.trials]
    assert [observation.tree.p["width"] for observation in seen] == [trial.params["width"] for trial in study.trials]
    sampler = Motpe(FLAT, 0)
    for observation in seen:
        sampler.tell(observation.tree, observation.losses)
    assert FLAT.holds(sampler.ask(1)[0])


@pytest.mark.parametrize(
    ("width", "over"),
    [(32, CategoricalDistribution([64, 32])), (32, IntDistribution(16, 64, step=16)), (1, IntDistribution(0, 2))],
)
def test_a_number_of_a_list_may_be_itself_or_its_place(width, over):
    space = Space("params", {"params": NodeType({"width": Ordered((16, 32, 64))})})
    for name in ("width", "params.width"):
        trial = create_trial(value=1.0, params={name: width}, distributions={name: over})
        assert tree_from(space, trial) == Tree("params", {"width": 32})


def test_steps_that_were_added_up_otherwise_are_the_same_steps():
    assert 0.1 * 3 != 0.3
    assert import_study(FLAT, study_of(ended_trial(drop=0.3)))[0].tree == POINT


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"lr": 0.5}, r"lr = 0\.5, outside Float\(low=0\.0001.*widen the space"),
        ({"n": 0}, r"n = 0, outside Int\(low=1, high=9"),
        ({"width": 48}, "width = 48, outside Ordered"),
        ({"act": "tanh"}, "act = 'tanh', outside Choice"),
        ({"momentum": 0.5}, "has momentum, which the space does not decide; add it"),
        ({"act": None}, "no parameter 'act', only .*; import a study"),
    ],
)
def test_a_parameter_that_does_not_fit_is_named_with_its_trial(params, said):
    with pytest.raises(SpaceRejected, match=f"trial 1.* {said}"):
        import_study(FLAT, study_of(ended_trial(), ended_trial(**params)))


def test_trials_without_finite_values_are_failures_and_fragments_are_left_out():
    infinite = ended_trial(value=float("inf"))
    failed = ended_trial(TrialState.FAIL, None)
    fragment = ended_trial(TrialState.FAIL, None, n=None)
    untold = create_trial(state=TrialState.PRUNED)
    seen = import_study(FLAT, study_of(ended_trial(), infinite, failed, fragment, untold))
    assert seen == [Observation(POINT, (1.0,)), Observation(POINT, None), Observation(POINT, None)]


def test_an_imported_study_is_a_warm_start():
    """A sampler told of an earlier run's trials needs no start-up trials of its own and repeats none of theirs."""
    space = Space("a", {"a": NodeType({"x": Float(0.0, 1.0)})})
    earlier = [Observation(Tree("a", {"x": x}), ((x - 0.7) ** 2,)) for x in np.linspace(0.05, 0.95, 12).tolist()]
    sampler = Motpe(space, 0)
    trials = [frozen_trial(space, one.tree, one.losses) for one in earlier]
    for seen in import_study(space, export_study(trials, (COST,), "earlier")):
        sampler.tell(seen.tree, seen.losses)
    assert abs(float(sampler.ask(1)[0].p["x"]) - 0.7) < 0.05


@pytest.mark.parametrize("name", ["optuna-motpe", "nsga2"])
def test_optunas_samplers_learn_through_ask_and_tell(name):
    sampler, found = OptunaSearch(name, SPACE, 0, lambda tree: len(tree.c) < 3), []
    for _ in range(80):
        (tree,) = sampler.ask(1)
        assert len(tree.c) < 3
        found.append((float(tree.p["x"]) - 0.3) ** 2)
        sampler.tell(tree, None if len(found) % 7 == 0 else (found[-1],))
    assert np.mean(found[50:]) < 0.7 * np.mean(found[:10])


def test_a_bad_loss_is_refused_before_optuna_sees_it():
    sampler = OptunaSearch("nsga2", SPACE, 0)
    with pytest.raises(InvalidArgument, match="finite"):
        sampler.tell(sampler.ask(1)[0], (float("nan"),))


def layered_objective(trial: optuna.Trial) -> tuple[float, float]:
    """Define by run: a count, siblings with optima of their own, a branch, a step and a log scale."""
    wanted, loss = (0.2, 0.8, 0.5), 0.0
    n = trial.suggest_int("n_layers", 1, 4)
    for layer in range(n):
        width = trial.suggest_int(f"layer{layer}_width", 16, 256, step=16)
        loss += (width / 256 - wanted[layer % 3]) ** 2 + abs(n - 3)
    if trial.suggest_categorical("optimiser", ["sgd", None, "adam"]) == "sgd":
        loss += 0.5 + trial.suggest_float("momentum", 0.0, 0.99)
    rate = trial.suggest_float("rate", 1e-5, 1e-1, log=True)
    return loss + (np.log10(rate) + 3) ** 2, float(n)


def study_volume(study: optuna.Study) -> float:
    return hypervolume(np.array([trial.values for trial in study.trials]), np.array([10.0, 5.0]))


def test_a_define_by_run_study_is_searched_better_than_at_random():
    def searched(sampler: optuna.samplers.BaseSampler) -> float:
        study = optuna.create_study(sampler=sampler, directions=["minimize"] * 2)
        study.optimize(layered_objective, n_trials=30)
        return study_volume(study)

    ours = [searched(RoseTreeSampler(seed)) for seed in range(2)]
    assert np.mean(ours) > np.mean([searched(optuna.samplers.RandomSampler(seed)) for seed in range(2)])


def test_two_workers_share_a_study_in_a_database(tmp_path):
    url = f"sqlite:///{tmp_path}/study.db"
    first = optuna.create_study(study_name="s", storage=url, sampler=RoseTreeSampler(1), directions=["maximize"] * 2)
    second = optuna.load_study(study_name="s", storage=url, sampler=RoseTreeSampler(2))
    for _ in range(6):
        asked = [(study, study.ask()) for study in (first, second)]
        for study, trial in asked:
            study.tell(trial, layered_objective(trial))
    assert len(first.trials) == 12
    assert len({tuple(trial.params.items()) for trial in second.trials}) == 12


def test_a_seeded_study_repeats_itself():
    def proposals() -> list[dict]:
        study = optuna.create_study(sampler=RoseTreeSampler(5), directions=["minimize"] * 2)
        study.optimize(layered_objective, n_trials=14)
        return [trial.params for trial in study.trials]

    assert proposals() == proposals()


def test_a_parameter_whose_range_changes_stays_within_the_new_one():
    study = optuna.create_study(sampler=RoseTreeSampler(0))
    study.optimize(lambda trial: trial.suggest_float("x", 0.0, 10.0), n_trials=10)
    study.optimize(lambda trial: trial.suggest_float("x", 5.0, 6.0) + trial.suggest_int("k", 1, 1), n_trials=10)
    assert all(5.0 <= trial.params["x"] <= 6.0 for trial in study.trials[10:])


def proposed_parameters(study: optuna.Study) -> dict[str, object]:
    """Return the parameters that the sampler proposes before the objective asks for any."""
    trial = study.ask()
    frozen = study.trials[trial.number]
    return study.sampler.sample_relative(study, frozen, study.sampler.infer_relative_search_space(study, frozen))


def blas_threads() -> list[int]:
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


def test_a_proposal_keeps_blas_to_one_thread(monkeypatch):
    seen, elite = [], optuna_sampler.elite
    monkeypatch.setattr(optuna_sampler, "elite", lambda *args: seen.append(blas_threads()) or elite(*args))
    optuna.create_study(sampler=RoseTreeSampler(0), directions=["minimize"] * 2).optimize(
        layered_objective, n_trials=10
    )
    assert {threads for proposal in seen for threads in proposal} == {1}


def test_jobs_side_by_side_leave_blas_its_threads():
    before = blas_threads()
    study = optuna.create_study(sampler=RoseTreeSampler(0), directions=["minimize"] * 2)
    study.optimize(layered_objective, n_trials=30, n_jobs=4)
    assert blas_threads() == before


def test_no_trial_of_a_small_space_is_repeated():
    def objective(trial: optuna.Trial) -> float:
        if trial.suggest_categorical("kind", ["a", "b", None]) == "a":
            return 1.0 + trial.suggest_int("k", 0, 3)  # a trial without `n`
        return float(trial.suggest_int("n", 0, 9, step=3) == 0) + trial.suggest_int("m", 1, 4)

    study = optuna.create_study(sampler=RoseTreeSampler(0))
    study.optimize(objective, n_trials=30)
    trials = [tuple(sorted(trial.params.items(), key=str)) for trial in study.trials]
    assert len({*trials}) == len({*trials[:8]}) + 22


def test_no_trial_is_repeated_where_a_wrapper_fixes_some_parameters():
    """Issue 11, kind 17: proposals lack what Optuna's PartialFixedSampler fixes, and are compared without it."""
    fixed = optuna.samplers.PartialFixedSampler({"x": 0.3}, RoseTreeSampler(1))
    study = optuna.create_study(sampler=fixed)
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1) + trial.suggest_float("y", 0, 1), n_trials=25)
    assert {trial.params["x"] for trial in study.trials} == {0.3}
    assert len({trial.params["y"] for trial in study.trials}) == 25


def test_workers_may_share_a_seed():
    """Draws depend on the seed, the trial's number and the parameter's name, on nothing else."""
    study = optuna.create_study()
    first, second = study.ask(), study.ask()
    over, frozen = FloatDistribution(0.0, 1.0), [study.trials[trial.number] for trial in (first, second)]
    drawn = {RoseTreeSampler(3).sample_independent(study, trial, name, over) for trial in frozen for name in "xyx"}
    assert len(drawn) == 4


def test_names_that_mean_the_same_number_are_two_parameters():
    study = optuna.create_study(sampler=RoseTreeSampler(0))
    study.optimize(lambda trial: trial.suggest_float("a1", 0, 1) - trial.suggest_float("a01", 0, 1), n_trials=10)
    assert proposed_parameters(study).keys() == {"a1", "a01"}


def test_options_in_another_order_say_nothing_about_each_other():
    def first(trial: optuna.Trial) -> float:
        return float(trial.suggest_categorical("a1", [1, 2, 3]) != 1) + trial.suggest_float("x", 0, 1)

    study = optuna.create_study(sampler=RoseTreeSampler(0))
    study.optimize(first, n_trials=12)
    surprises = [(first(trial), trial.suggest_categorical("a2", [3, 1, 2]))[1] for trial in map(study.ask, [None] * 20)]
    assert surprises.count(3) < 14  # a1's place of 1 is a2's place of 3


def test_trials_side_by_side_keep_what_each_was_proposed_from():
    """A parameter that comes as a surprise is drawn from its trial's own densities, whoever asked in between."""

    def surprise(between: bool) -> float:
        study = optuna.create_study(sampler=RoseTreeSampler(1))
        study.optimize(lambda trial: abs(trial.suggest_float("x1", 0, 1) - 0.7), n_trials=10)
        trial = study.ask()
        trial.suggest_float("x1", 0, 1)
        if between:
            study.ask().suggest_float("x1", 0, 1)
        return trial.suggest_float("x2", 0, 1)

    assert surprise(between=True) == surprise(between=False)


def test_many_steps_are_as_quick_as_a_continuum():
    def proposal_cpu_s(step: float | None) -> float:
        over = {f"p{n}": FloatDistribution(0.0, 100.0, step=step) for n in range(10)}
        drawn = np.random.default_rng(0).integers(1001, size=(500, 10)).tolist()
        study = optuna.create_study(sampler=RoseTreeSampler(0))
        for places in drawn:
            params = {name: round(place * 0.1, 1) for name, place in zip(over, places, strict=True)}
            study.add_trial(create_trial(value=float(sum(places)), params=params, distributions=over))
        begun = [time.process_time() for _ in range(4) if proposed_parameters(study)]
        return float(np.diff(begun).min())

    assert proposal_cpu_s(0.1) < 2 * proposal_cpu_s(None)
