"""The errors and warnings of isthmus; all errors derive from `IsthmusError`."""


class IsthmusError(Exception):
    """Base of every error that isthmus raises on purpose."""


class DataError(IsthmusError, ValueError):
    """The data cannot be used as they are; the message says what was seen and what to do."""


class DataTypeError(DataError, TypeError):
    """The data hold something that is not a number."""


class DataSourceError(IsthmusError, OSError):
    """A file, folder or remote data set cannot be read."""


class ParameterError(IsthmusError, ValueError):
    """A parameter has a value that does not fit."""


class RunError(IsthmusError, OSError):
    """A run folder is missing, damaged or not one of ours."""


class MissingExtraError(IsthmusError, ImportError):
    """An optional package is needed; the message names the extra that brings it."""


class CompileError(IsthmusError, RuntimeError):
    """The model cannot be compiled here, for want of a compiler for example."""


class ExportError(IsthmusError, RuntimeError):
    """The model cannot be written in this format; the message says what stands in the way."""


class DivergedError(IsthmusError, ArithmeticError):
    """Training met a NaN or an infinity; the model keeps its last good weights."""


class DependentRowsError(IsthmusError, RuntimeError):
    """What a model makes of a row depends on the rows around it, so that nothing it scores can be believed."""


class LostProcessError(IsthmusError, ConnectionError):
    """One of several processes that work together is gone; what was saved is whole."""


class IsthmusWarning(UserWarning):
    """Base of every warning of isthmus."""


class OvercompleteWarning(IsthmusWarning):
    """The code is at least as wide as the data, and nothing else prevents the identity."""


class CollapseWarning(IsthmusWarning):
    """Most latents carry no information about the data."""


class SharedRowsWarning(IsthmusWarning):
    """Data that should be apart, such as test and training rows, are largely the same."""


class ParzenWarning(IsthmusWarning):
    """A Parzen window estimate was asked for, and must not be believed."""


class LikelihoodWarning(IsthmusWarning):
    """An estimate of log p(x) rests on too few samples to be believed."""


class BelowEntropyWarning(IsthmusWarning):
    """A likelihood is higher than the noise of the data allows."""
