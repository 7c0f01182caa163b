"""The ruler: `python -m leed.evaluation` for edits, `python -m leed.evaluation.neutral` for neutral faces.

`python -m leed.evaluation.ablation` puts models side by side by it; `python -m leed.evaluation.paper` makes the
paper's tables and figures.
"""
