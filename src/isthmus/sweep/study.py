"""The Optuna study behind a search: who may join it, and which of its trials count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from isthmus.errors import ParameterError, RunError
from isthmus.sweep.space import Choices, from_scalar, to_scalar
from isthmus.sweep.storage import database_errors, need_optuna, open_storage

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

    from isthmus.sweep.metric import Direction
    from isthmus.sweep.space import Dimension

Pruning = Literal["median", "hyperband", "none"]

RUNGS = 20
"""Parts of a training after each of which a trial may be pruned, whatever its number of epochs."""
REASON, REPEATS, INTERRUPTED, NOT_NEEDED = "reason", "repeats", "interrupted", "not needed"

_SETTINGS = "isthmus"
_STARTUP = 5


def open_study(
    url: str | None,
    name: str,
    settings: dict[str, Any],
    *,
    where: str,
    direction: Direction,
    seed: int,
    pruning: Pruning,
    must_exist: bool = False,
) -> Study:
    """The study of this name, made or joined.

    Parameters
    ----------
    url : str or None
        Address of the database; None for memory.
    name : str
        Of the study.
    settings : dict
        What makes trials comparable; a study of other settings is refused. Its values are text or dicts of text.
    where : str
        The database, for messages.
    direction : {"maximize", "minimize"}
        What is better.
    seed : int
        Of what is proposed.
    pruning : {"median", "hyperband", "none"}
        How hopeless trials are recognised.
    must_exist : bool
        Whether to refuse to make it.

    Raises
    ------
    RunError
        The study was made with other settings, is not of isthmus, or must exist and does not.
    """
    optuna = need_optuna()
    from isthmus.sweep.sampling import Sampler

    storage, sampler = open_storage(url), Sampler(seed)
    with database_errors(where):
        known = name in optuna.get_all_study_names(storage)
        if must_exist and not known:
            raise RunError(f"there is nothing to resume: {where} holds no study {name!r}")
        study = optuna.create_study(
            storage=storage,
            study_name=name,
            direction=direction,
            sampler=sampler,
            pruner=_pruner(pruning),
            load_if_exists=True,
        )
        sampler.study = study
        _agree(study, settings, where)
    return study


def _pruner(pruning: Pruning) -> Any:
    pruners = need_optuna().pruners
    if pruning == "median":
        return pruners.MedianPruner(n_startup_trials=_STARTUP, n_warmup_steps=RUNGS // 4)
    if pruning == "hyperband":
        return pruners.HyperbandPruner(min_resource=RUNGS // 10, max_resource=RUNGS, reduction_factor=3)
    if pruning == "none":
        return pruners.NopPruner()
    raise ParameterError(f"pruner must be 'median', 'hyperband' or 'none', got {pruning!r}")


def _agree(study: Study, settings: dict[str, Any], where: str) -> None:
    """Write the settings into a new study; compare them with those of one that exists."""
    if _SETTINGS not in study.user_attrs and not study.trials:
        study.set_user_attr(_SETTINGS, settings)
    # Read again: another worker may have made the study at the same time, and it writes them before its first trial.
    found = study.user_attrs.get(_SETTINGS)
    if found is None:
        raise RunError(f"the study {study.study_name!r} in {where} is not of isthmus; choose another name for yours")
    differences = _differences(found, settings)
    if not differences:
        # What was searched until now and is fixed from now on stays what it is.
        fixed = {**settings["parameters"], **found["parameters"]}
        if fixed != found["parameters"]:
            study.set_user_attr(_SETTINGS, {**found, "parameters": fixed})
    if differences:
        raise RunError(
            f"the study {study.study_name!r} in {where} was made with {_listed(differences, 0)}, and this search has "
            f"{_listed(differences, 1)}; go on with the former, or give this search a study or a folder of its own"
        )


def _differences(found: dict[str, Any], asked: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Name, old and new text of every setting that differs; searched parameters have no setting."""
    differ = []
    for name in asked:
        old, new = found.get(name), asked[name]
        if isinstance(new, dict):
            old = old if isinstance(old, dict) else {}
            differ += [(key, old[key], new[key]) for key in new if key in old and old[key] != new[key]]
        elif old != new:
            differ.append((name, old, new))
    return differ


def _listed(differences: Sequence[tuple[str, str, str]], which: int) -> str:
    return ", ".join(f"{each[0]}={each[1 + which]}" for each in differences[:4])


def check_choices(study: Study, space: Mapping[str, Dimension]) -> None:
    """Complain if a parameter has other choices than in earlier trials, which no study can hold; ranges may change.

    Raises
    ------
    RunError
        Says which choices it had.
    """
    earlier = {
        name: distribution
        for trial in study.get_trials(deepcopy=False)
        for name, distribution in trial.distributions.items()
    }
    for name in earlier.keys() & space.keys():
        now, before = space[name], getattr(earlier[name], "choices", None)
        choices = tuple(to_scalar(value) for value in now.values) if isinstance(now, Choices) else None
        if choices != before:
            was = "a range" if before is None else str(Choices(tuple(from_scalar(value) for value in before)))
            raise RunError(
                f"in the study {study.study_name!r} {name} was searched as {was}, and now as {now}; a study can change "
                "its ranges, but not choices, so keep them or give this search a study or a folder of its own"
            )


# ------------------------------------------------------------------ its trials


def counts(trial: FrozenTrial) -> bool:
    """Whether a trial is one of those that were asked for: under way, finished, or given up for a reason of its own.

    Not one that was interrupted, whose worker died, or that came too late: these are failures to Optuna.
    """
    return trial.state.name in ("RUNNING", "COMPLETE", "PRUNED")


def n_before(study: Study, number: int | None = None) -> int:
    """How many trials count, among those before a number or among all."""
    trials = study.get_trials(deepcopy=False)
    return sum(counts(trial) for trial in trials if number is None or trial.number < number)
