"""Numbers about a fitted model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from isthmus.evaluate.metrics import evaluate

if TYPE_CHECKING:
    import os

    from isthmus.data.streams import AnyRows
    from isthmus.evaluate.extractor import Extractor
    from isthmus.evaluate.extras import Metrics


class Evaluable:
    """What can be measured of a fitted model. A base of `BaseAutoencoder`."""

    def evaluate(
        self,
        X: Any,
        y: Any = None,
        *,
        factors: Any = None,
        reference: Any = None,
        extractor: Extractor | str | os.PathLike[str] | None = None,
        n_samples: int | None = None,
        greys: Any = None,
        random_state: int = 0,
    ) -> Metrics:
        """Every metric that applies, as one flat dict.

        `isthmus.evaluate.metrics.METRICS` documents the keys that data alone give,
        `isthmus.evaluate.catalogue.EXTRAS` those that the other arguments add.

        Parameters
        ----------
        X : array-like, data set, path, or built-in name
            Data, better not what the model was trained on.
        y : array-like of shape (n,), or True
            Class of each row: adds a linear probe, nearest neighbours and clusters of the codes. True: those that come
            with the data.
        factors : dict of str to array-like of shape (n,), array-like of shape (n, n_factors), or True
            Generating factors of each row: adds scores of disentanglement. True: those that come with the data.
        reference : array-like, data set, path, or built-in name
            Training data: adds the quality of samples, compared with X, beside that of the training data themselves.
        extractor : Extractor, str or path, optional
            By whose features samples are compared: one that is fitted, the name of one to be fitted on the reference
            (``"classifier"``, ``"pca-64"``, ``"pixels"``), or a folder with one. By default the classifier if the
            reference comes with labels, else the principal components. The result has it as ``extractor``.
        n_samples : int, optional
            Samples to draw, to compare with as many rows of X and of the reference; by default as many as both have,
            up to 10,000. Distances for different numbers cannot be compared.
        greys : array-like of the shape of X, optional
            Of binary X: the probabilities that its pixels were drawn with. Adds no number: it warns of a bound on
            log p(x) that no model of fresh draws can have.
        random_state : int
            Seed of everything that is drawn.

        Returns
        -------
        Metrics
            A dict of str to float.

        Raises
        ------
        DataError, ParameterError
            What was passed does not fit the data.
        DependentRowsError
            What the model makes of a row depends on the rows around it.

        Warns
        -----
        BelowEntropyWarning
            The likelihood is higher than the data allow; see `isthmus.evaluate.guards`.
        """
        from isthmus.evaluate.extras import Given, Metrics, extra_metrics
        from isthmus.evaluate.trust import check_greys

        given = Given.of(self, X, y, factors)
        rows = self._read(given.X, supported=True)  # pyright: ignore[reportAttributeAccessIssue]
        if greys is not None:
            check_greys(self, rows, greys)  # pyright: ignore[reportArgumentType]
        found = evaluate(self, rows) | self.own_metrics(rows)  # pyright: ignore[reportArgumentType]
        if given.y is None and given.factors is None and reference is None:
            return Metrics(found)
        train = None if reference is None else Given.of(self, reference)
        more = extra_metrics(self, rows, given.y, given.factors, train, extractor, n_samples, random_state)  # pyright: ignore[reportArgumentType]
        return Metrics(found | more, more.extractor)

    def own_metrics(self, samples: AnyRows) -> dict[str, float]:
        """What only this variant can measure, of samples (n, *event) checked."""
        return {}
