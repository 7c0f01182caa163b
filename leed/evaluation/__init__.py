"""The ruler: `python -m leed.evaluation` for edits, `python -m leed.evaluation.neutral` for neutral faces."""
