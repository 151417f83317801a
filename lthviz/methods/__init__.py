"""The methods that make tickets: frozen values, each with only its own knobs. What they do stands in core/ and nn/saliency.py."""

from __future__ import annotations

from lthviz.methods.base import STRUCTURES, UNSTRUCTURED, Structure, structural, structure
from lthviz.methods.baselines import NM, Grasp, Omp, Snip, SynFlow
from lthviz.methods.controls import Random, Reinit
from lthviz.methods.structures import SCORES, Filters, Refill, Regroup, Slimming

STRUCTURES |= {c.kind: c for c in (Refill, Regroup, Random, Reinit, Omp, Snip, Grasp, SynFlow, Slimming, Filters, NM)}

__all__ = ["NM", "SCORES", "STRUCTURES", "UNSTRUCTURED", "Filters", "Grasp", "Omp", "Random", "Refill", "Regroup", "Reinit", "Slimming",
           "Snip", "Structure", "SynFlow", "structural", "structure"]
