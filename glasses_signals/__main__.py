"""`python -m glasses_signals` is the command line."""

from glasses_signals.cli import main

main()
