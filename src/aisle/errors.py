"""The errors Aisle raises on purpose: one shallow tree, so that callers and the HTTP layer map each kind once."""


class AisleError(Exception):
    """Base of every error that Aisle raises on purpose; it says what was expected, what came, and the remedy."""


class SchemaError(AisleError):
    """A record or column does not have the declared shape."""


class DataError(AisleError):
    """Data cannot be read, found or used as asked."""


class ConfigError(AisleError):
    """A recipe, a workspace file or an option is wrong."""


class NotFittedError(AisleError):
    """Something was asked to answer before it was fitted."""


class BundleError(AisleError):
    """A bundle is missing, damaged, or of another version."""


class BackendUnavailableError(AisleError):
    """A server or an optional library that was asked for is not there."""
