"""Checks of our own for schemathesis, read by `cargo xtask schemathesis`."""

import schemathesis


@schemathesis.check
def no_fault(ctx, response, case):
    """No fault of the server. 501 is none: it is how this API says that something is not possible, and why."""
    if response.status_code >= 500 and response.status_code != 501:
        raise AssertionError(f"a fault of the server: {response.status_code} {response.text[:300]}")
