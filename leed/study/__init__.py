"""The paper's two user studies, "Real or Fake" and "Which's more real" (section 4.3, Table 3), as a page to host."""

from leed.commands import need

need("study", "gradio", "pandas", "scipy", "statsmodels")
