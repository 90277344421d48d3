"""Where the work runs: processes, engines, and the order of the stages."""
