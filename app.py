"""The demo: a photo, an expression, a strength; the same person with that expression.

    python app.py

loads `hub/leed-open`, or the folder or Hub repository that the variable LEED_MODEL names. Results are signed with the
certificate that LEED_C2PA_CERTIFICATE and LEED_C2PA_KEY give, if they do (`leed/demo/signing.py`). `leed demo` starts
the same page from an installed package.
"""

import os

# Before torch is loaded: its threads would wait busily after each call and take the cores from ONNX Runtime's.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from leed.demo.serving import MAX_WAITING, launch, main

__all__ = ["MAX_WAITING", "launch", "main"]

if __name__ == "__main__":
    main()
