//! The page of `tracewright-report` in a browser: see `tests/`.
