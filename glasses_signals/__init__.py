"""From smart-glasses uploads to explainable, deletable interest profiles."""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from glasses_signals.interests.text_mapper import TextMapper
    from glasses_signals.profiles.document import merge_profiles, validate_profile
    from glasses_signals.runners.extract import ExtractSettings, RunReport, extract
    from glasses_signals.speech.transcriber import SpeechSettings, Transcriber
    from glasses_signals.vision.tagger import Tagger, VisionSettings

__version__ = "0.1.0"

# ONNX Runtime (from 1.29 on) and Ray tell their makers over the network what runs here, unless
# these are set before they are loaded. Nothing about anybody's uploads may leave the machine.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"

# Loaded on first use, so that importing the package stays quick.
_HOMES = {
    "ExtractSettings": "glasses_signals.runners.extract",
    "RunReport": "glasses_signals.runners.extract",
    "SpeechSettings": "glasses_signals.speech.transcriber",
    "Tagger": "glasses_signals.vision.tagger",
    "TextMapper": "glasses_signals.interests.text_mapper",
    "Transcriber": "glasses_signals.speech.transcriber",
    "VisionSettings": "glasses_signals.vision.tagger",
    "extract": "glasses_signals.runners.extract",
    "merge_profiles": "glasses_signals.profiles.document",
    "validate_profile": "glasses_signals.profiles.document",
}

__all__ = [
    "ExtractSettings",
    "RunReport",
    "SpeechSettings",
    "Tagger",
    "TextMapper",
    "Transcriber",
    "VisionSettings",
    "__version__",
    "extract",
    "merge_profiles",
    "validate_profile",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
