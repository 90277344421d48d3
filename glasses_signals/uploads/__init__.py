"""Reading uploads: bundles, accounts, and chat, imagine and feed lines."""
