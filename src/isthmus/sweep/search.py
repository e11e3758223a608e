"""A search from Python."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isthmus.errors import ParameterError
from isthmus.sweep.storage import database_errors, need_optuna, quiet_optuna
from isthmus.sweep.study import Pruning

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

    from isthmus.models.base import BaseAutoencoder
    from isthmus.sweep.plan import Plan
    from isthmus.sweep.worker import Worker


@dataclass
class Search:
    """What `search` returns.

    Parameters
    ----------
    best_params_ : dict
        Searched parameters of the best trial, by name.
    best_score_ : float
        Its value of the metric, on the held-out rows.
    best_index_ : int
        Its place in ``trials_``.
    best_estimator_ : BaseAutoencoder or None
        Its model, fitted. None if another worker ran it that keeps its runs elsewhere.
    trials_ : list of dict
        One for each trial: ``number``, ``state``, ``value``, ``params``, ``seconds``, ``metrics``, ``reason`` and
        so on. ``pandas.json_normalize`` makes a table of it.
    study_ : optuna.Study
        The study itself, for Optuna's own tools.
    """

    best_params_: dict[str, Any]
    best_score_: float
    best_index_: int
    best_estimator_: BaseAutoencoder | None
    trials_: list[dict[str, Any]]
    study_: Study


def search(
    estimator: BaseAutoencoder,
    X: Any,
    *,
    n_trials: int = 30,
    space: Mapping[str, Any] | Sequence[str] = (),
    default_space: bool = True,
    metric: str = "auto",
    target: Any = None,
    pruner: Pruning = "median",
    timeout: float | None = None,
    out: str | PathLike[str] | None = None,
    storage: str | None = None,
    study: str | None = None,
    verbose: bool = False,
) -> Search:
    """Find good parameters of a model by training it many times.

    Each trial is trained on the same rows and measured on the same held-out ones, those of ``validation_fraction``. It
    starts from the estimator's ``random_state`` (None: 0), so it can be repeated.

    Parameters
    ----------
    estimator : BaseAutoencoder
        Unfitted. What is not its default is not searched, unless ``space`` names it.
    X : array-like, data frame, path, or built-in name
        Data, as for ``fit``.
    n_trials : int
        How many trials the study is to have in all, those of earlier calls and of other workers included.
    space : mapping or sequence of str
        What to search besides, or instead of, the default: ``{"latent_dim": "2..32:log", "beta": (0.5, 2.0)}``,
        ``{"network": ["mlp", "linear"]}``, or ``["trainer.learning_rate=1e-4..1e-2:log"]``.
    default_space : bool
        Whether what nobody mentions is searched as well, where there is a default range for it.
    metric : str
        "score", a key of ``evaluate``, or ``val_`` and a cost of the training. "auto": for a denoiser "val_nll", how
        likely it makes what was to be restored; for any other "score", which means the same whatever the weights of
        the training loss.
    target : array-like, optional
        For models that take one, as for ``fit``.
    pruner : {"median", "hyperband", "none"}
        How hopeless trials are recognised and stopped.
    timeout : float, optional
        Seconds after which no trial is started.
    out : path, optional
        Folder for the study, the best run, a table, figures and a page. A search with the same folder goes on.
    storage : str, optional
        Address of a database, such as ``"postgresql://user:password@host/name"``, for workers on several machines.
    study : str, optional
        Name of the study in it; by default that of the model and the data.
    verbose : bool
        Print a line for each trial to stderr.

    Returns
    -------
    Search

    Raises
    ------
    ParameterError, DataError
        Something does not fit, or no trial came to an end.
    RunError
        The study was made with other data, another model or other parameters; or its database does not answer.
    MissingExtraError
        Optuna is not installed.
    KeyboardInterrupt
        After Ctrl-C; with ``out`` or ``storage``, all that was finished is kept.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from isthmus import VAE, search
    >>> found = search(VAE(max_epochs=5), load_iris().data, n_trials=3)
    >>> sorted(found.best_params_)[:3], len(found.trials_)
    (['beta', 'latent_dim', 'network.hidden'], 3)
    """
    need_optuna()
    from isthmus.data import load
    from isthmus.sweep.conclude import conclude
    from isthmus.sweep.place import Place
    from isthmus.sweep.planning import make_plan
    from isthmus.sweep.table import read_trials
    from isthmus.sweep.worker import Worker
    from isthmus.training import Trainer

    check_number("n_trials", n_trials)
    limit = (getattr(estimator, "trainer", None) or Trainer()).memory_limit
    plan = make_plan(
        estimator,
        load(X, memory_limit=limit),
        target=None if target is None else load(target, memory_limit=limit),
        space=space,
        use_defaults=default_space,
        metric=metric,
    )
    folder = None if out is None else Path(out)
    data, goal = (str(given) if isinstance(given, str | PathLike) else None for given in (X, target))
    if goal is None and target is not None:
        data = None  # without its target a training cannot be told
    source = {"data": data, "options": {}, "target": goal}
    place = Place(folder, storage, study)
    with quiet_optuna(), database_errors(place.where):
        opened = place.open(plan, pruner)
        worker = Worker(plan, opened, n_trials, timeout, folder, source)
        if verbose:
            worker.tell = teller(plan, opened)
        try:
            worker.run()
        finally:
            if folder is not None:
                conclude(plan, opened, folder, source, shown=str(out))
        return _result(plan, opened, worker, read_trials(opened))


def _result(plan: Plan, study: Study, worker: Worker, trials: list[dict[str, Any]]) -> Search:
    from isthmus.sweep.table import census, ranked

    best = ranked(trials, plan.metric)
    if not best:
        raise ParameterError(
            f"no trial came to an end ({census(trials) or 'none was started'}), so there is no best one"
        )
    return Search(
        best_params_=best[0]["params"],
        best_score_=best[0]["value"],
        best_index_=trials.index(best[0]),
        best_estimator_=_model(worker, best[0]),
        trials_=trials,
        study_=study,
    )


def _model(worker: Worker, best: dict[str, Any]) -> BaseAutoencoder | None:
    """The model of the best trial, if it is here."""
    from isthmus.runs import load
    from isthmus.sweep.best import BEST, holder

    if worker.folder is None:
        return worker.best[1] if worker.best is not None and worker.best[0] == best["value"] else None
    held = holder(worker.folder)
    return load(worker.folder / BEST) if held is not None and held[0] == best["number"] else None


def check_number(name: str, value: Any) -> None:
    """Complain unless a number of trials or workers is at least 1."""
    if value < 1:
        raise ParameterError(f"{name} must be at least 1, got {value}")


def teller(plan: Plan, study: Study) -> Callable[[FrozenTrial], None]:
    """What prints a line to stderr for each trial that ends: what became of it, and what it was given."""
    from isthmus.sweep.table import line_of

    def tell(trial: FrozenTrial) -> None:
        print(line_of(trial, plan.metric, study), file=sys.stderr, flush=True)

    return tell
