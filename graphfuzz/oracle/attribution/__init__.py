"""Attribution: which stage is at fault for a finding, which node, by whose words, and what repair proves it."""

from graphfuzz.oracle.attribution.evidence import ALIKE, OTHERWISE, SILENT, SOUND, Witness
from graphfuzz.oracle.attribution.inquiry import BUDGET, Attribution, attribute, inquire
from graphfuzz.oracle.attribution.witnesses import Examiner

__all__ = [
    "ALIKE",
    "BUDGET",
    "OTHERWISE",
    "SILENT",
    "SOUND",
    "Attribution",
    "Examiner",
    "Witness",
    "attribute",
    "inquire",
]
