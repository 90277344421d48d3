"""Every error raised on purpose. A message says what is wrong, where, and what to do."""


class GlassesSignalsError(Exception):
    """Base of all errors meant for people; the command line prints its text without a traceback."""


class BadInput(GlassesSignalsError):
    """One input (a file, a manifest, a line) can't be used. It is quarantined, the run goes on."""


class BadModel(GlassesSignalsError):
    """A model is missing, has a wrong checksum, or can't run on the device asked for."""


class BadPolicy(GlassesSignalsError):
    """`policy.toml` is malformed or has an unknown key or value."""


class RunStopped(GlassesSignalsError):
    """The run can't go on, such as on a full disk. What was recorded stays; a rerun goes on."""


class CannotStart(GlassesSignalsError):
    """The run can't begin: no accounts file, no space, output held by another run."""
