"""A real OpenID Connect provider on this machine, and the app set up to let people in by it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PEOPLE = [
    {"sub": "ada", "name": "Ada <b>L.</b>", "email": "Ada@Example.org", "email_verified": True},
    {"sub": "vera", "name": "Vera", "email": "vera@example.org", "email_verified": True},
    {"sub": "mallory", "name": "Mallory", "email": "ada@example.org", "email_verified": False},
    {"sub": "nobody", "name": "Nobody", "email": "nobody@elsewhere.org", "email_verified": True},
    {"sub": "staff", "name": "Staff", "groups": ["lab-staff"]},
]
"""ada is an operator, vera a viewer, mallory has ada's address and has not proved it, nobody is on no list, staff is an operator by group."""
ROLES = """
[lthviz.roles]
operators = ["ada@example.org"]
viewers = ["@example.org"]
claim = "groups"
operator_values = ["lab-staff"]
"""


@contextlib.contextmanager
def provider(folder: Path) -> Iterator[str]:
    """Its address; it speaks the whole protocol over HTTP, for PEOPLE."""
    port = free_port()
    words = [w for p in PEOPLE for w in ("--user-claims", json.dumps(p))]
    with (folder / "provider.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "oidc_provider_mock", "--port", str(port), *words], stdout=log, stderr=log,
                                   env={**os.environ, "PYTHONWARNINGS": "ignore"})
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            if process.poll() is not None:
                break
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/.well-known/openid-configuration", timeout=1):
                yield url
                return
            time.sleep(0.1)
        raise RuntimeError(f"the provider did not come up:\n{(folder / 'provider.log').read_text(errors='replace')}")
    finally:
        process.terminate()
        process.wait(10)


def configured(folder: Path, issuer: str, more: str = ROLES) -> Path:
    """A folder to start the app in, with the project's settings and secrets that let people in by that provider."""
    (folder / ".streamlit").mkdir(parents=True)
    shutil.copy(ROOT / ".streamlit" / "config.toml", folder / ".streamlit")
    (folder / ".streamlit" / "secrets.toml").write_text(f"""
[auth]
redirect_uri = "http://127.0.0.1:{{port}}/oauth2callback"
cookie_secret = "a secret of this test alone, long enough"
client_id = "lthviz"
client_secret = "of no weight here"
server_metadata_url = "{issuer}/.well-known/openid-configuration"
client_kwargs = {{ scope = "openid profile email", prompt = "login" }}
{more}""", encoding="utf-8")
    return folder


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def sign_in(page, url: str, who: str) -> None:
    """Opens the app, goes to the provider by its button, signs in there and comes back."""
    page.goto(url)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name=who, exact=True).click()
    page.wait_for_url(f"{url}/**")
    page.get_by_role("button", name="Sign out").wait_for()
