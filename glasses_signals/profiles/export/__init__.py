"""Profiles in other formats: OpenRTB, XDM, CSV, Parquet. `docs/exports.md` says what each loses."""
