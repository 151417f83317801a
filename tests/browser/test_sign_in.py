"""Signing in by a real OpenID Connect provider in a real browser: what nobody, a viewer and an operator see and can do; and what the server is sent by hand."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from playwright.sync_api import expect
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from lthviz.store import Store
from tests import signing

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def where(tmp_path_factory, serve) -> tuple[str, Store]:
    """(address of an app that lets people in by a provider, its store: empty)."""
    folder = tmp_path_factory.mktemp("signing")
    with signing.provider(folder) as issuer:
        runs = folder / "runs"
        yield serve(ROOT / "app.py", env={"LTHVIZ_RUNS": str(runs)}, cwd=signing.configured(folder / "app", issuer, signing.ROLES + "[lthviz.limits]\nuploads_per_hour = 2\n")), Store(runs)


@pytest.fixture
def someone(browser):
    """`someone()`: a page of a browser of its own."""
    contexts = []

    def make():
        contexts.append(browser.new_context(viewport={"width": 1440, "height": 900}))
        page = contexts[-1].new_page()
        page.set_default_timeout(60_000)
        return page
    expect.set_options(timeout=60_000)
    yield make
    for context in contexts:
        context.close()


def test_nobody_a_viewer_and_an_operator(where, someone):
    url, store = where
    page = someone()
    for path in ("", "runs", "lab?new=digits", "exchange?do=in"):
        page.goto(f"{url}/{path}")
        expect(page.get_by_role("button", name="Sign in")).to_be_visible()
        assert "runs in" not in page.content() and page.get_by_role("link", name="Runs").count() == 0
    signing.sign_in(page, url, "vera")
    expect(page.get_by_text("Vera · viewer")).to_be_visible()
    expect(page.get_by_role("button", name="Start the digits study")).to_be_disabled()
    page.goto(f"{url}/exchange?do=in")
    expect(page.get_by_text("You are a viewer here")).to_be_visible()
    assert page.locator("input[type=file]").count() == 0
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("button", name=re.compile("sign out|log ?out|end|yes|continue|confirm", re.I)).first.click()     # at the provider
    page.goto(f"{url}/runs")
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    signing.sign_in(page, url, "ada")
    expect(page.get_by_text("Ada <b>L.</b> · operator")).to_be_visible()      # a name is words, whatever stands in it
    page.goto(f"{url}/lab?new=digits&set=rounds%3D1&set=epochs%3D1&set=train_images%3D150")
    page.get_by_text("Wait before the first stage").click()
    page.get_by_role("button", name="Start", exact=True).click()
    page.wait_for_url(re.compile("run="))
    [run] = store.runs()
    assert store.about(run).asked == "ada@example.org"
    page.get_by_role("button", name="Cancel the run").click()
    expect(page.get_by_role("button", name="Resume")).to_be_visible()
    assert store.status(run).state == "cancelled"
    page.goto(f"{url}/runs")
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()


@pytest.mark.parametrize("who", ["nobody", "mallory"])
def test_who_is_on_no_list_or_has_an_address_that_is_not_verified_sees_nothing(where, someone, who):
    page = someone()
    signing.sign_in(page, where[0], who)
    expect(page.get_by_text("This account is on no list of this server")).to_be_visible()
    page.goto(f"{where[0]}/runs")
    expect(page.get_by_text("This account is on no list of this server")).to_be_visible()
    assert page.get_by_role("link", name="Runs").count() == 0


def test_an_operator_by_a_claim_may_upload_so_many_files(where, someone, tmp_path):
    page = someone()
    signing.sign_in(page, where[0], "staff")
    expect(page.get_by_text("Staff · operator")).to_be_visible()
    page.goto(f"{where[0]}/exchange?do=in")
    field = page.locator("input[type=file]").first
    answers = []
    for i in range(3):
        (file := tmp_path / f"weights{i}.npz").write_bytes(b"PK\x05\x06" + bytes(18))
        with page.expect_response(lambda r: "upload_file" in r.url and r.request.method == "PUT") as sent:
            field.set_input_files(str(file))
        answers.append(sent.value.status)
    assert answers == [204, 204, 429]
    page.get_by_role("radio", name="Give out").click()
    expect(page.get_by_text("The file was not taken: 2 files an hour may be uploaded by a person; wait 60 minutes")).to_be_visible()


# What is sent by hand -----------------------------------------------------------------------------------------------------


def cookies(page) -> str:
    return "; ".join(f"{c['name']}={c['value']}" for c in page.context.cookies() if c["domain"] == "127.0.0.1")


def token(cookie: str) -> str:
    """What a page of one's own knows and another site's does not."""
    found = re.search(r"_streamlit_xsrf=([^;]+)", cookie)
    return found[1].strip('"') if found else ""


class Talk:
    """A session of the server's own protocol, as a program has it that is no browser. ids: of widgets, by their key; said: all that came."""

    def __init__(self, url: str, cookie: str = "", origin: str = "", host: str = "") -> None:
        self.url, self.cookie, self.origin, self.host = url, cookie, origin or url, host
        self.ids: dict[str, str] = {}
        self.said, self.session, self.urls = "", "", []

    async def __aenter__(self) -> Talk:
        headers = ([("Cookie", self.cookie)] if self.cookie else []) + ([("Host", self.host)] if self.host else [])
        words = ["streamlit", *[token(self.cookie)] * bool(token(self.cookie))]      # without it the cookie counts for nothing
        self.socket = await connect(self.url.replace("http", "ws") + "/_stcore/stream", subprotocols=words, max_size=None, origin=self.origin, additional_headers=headers)
        return self

    async def __aexit__(self, *_) -> None:
        await self.socket.close()

    async def ask(self, page: str = "", query: str = "", press: str = "") -> None:
        message = BackMsg()
        message.rerun_script.query_string, message.rerun_script.page_name = query, page
        if press:
            state = message.rerun_script.widget_states.widgets.add()
            state.id, state.trigger_value = press, True
        await self.socket.send(message.SerializeToString())
        await self._until("script_finished")

    async def room(self) -> list[str]:
        """Addresses to which files may be sent."""
        message = BackMsg()
        message.file_urls_request.request_id = "x"
        message.file_urls_request.file_names.append("a.npz")
        message.file_urls_request.session_id = self.session
        await self.socket.send(message.SerializeToString())
        await self._until("file_urls_response")
        return self.urls

    async def _until(self, kind: str) -> None:
        while True:
            message = ForwardMsg.FromString(await asyncio.wait_for(self.socket.recv(), 60))
            match message.WhichOneof("type"):
                case "new_session":
                    self.session = message.new_session.initialize.session_id
                case "delta":
                    self.said += str(message.delta)
                    if message.delta.new_element.WhichOneof("type") == "button":
                        button = message.delta.new_element.button
                        self.ids[button.label] = button.id
                case "file_urls_response":
                    self.urls = [u.upload_url for u in message.file_urls_response.file_urls]
            if message.WhichOneof("type") == kind:
                return


def put(url: str, **headers: str) -> int:
    """Sends a file by hand; the answer's number."""
    edge = "edge"
    body = f"--{edge}\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a.npz\"\r\n\r\nPK\r\n--{edge}--\r\n".encode()
    asked = urllib.request.Request(url, data=body, method="PUT", headers={"Content-Type": f"multipart/form-data; boundary={edge}", **headers})
    try:
        with urllib.request.urlopen(asked, timeout=10) as answer:
            return answer.status
    except urllib.error.HTTPError as e:
        return e.code


def test_messages_sent_by_hand_start_nothing_before_signing_in_and_of_a_viewer(where, someone):
    url, store = where
    before = set(store.runs())
    ada, vera = someone(), someone()
    signing.sign_in(ada, url, "ada")
    signing.sign_in(vera, url, "vera")
    an_operators, a_viewers = cookies(ada), cookies(vera)

    async def by_hand() -> None:
        async with Talk(url, an_operators) as talk:
            await talk.ask()
            start = talk.ids["Start the digits study"]
        for cookie in ("", a_viewers, a_viewers.replace("_streamlit_user=", "_streamlit_user=x"), '_streamlit_user="{}"'):
            async with Talk(url, cookie) as talk:
                await talk.ask()
                shown = "Vera" in talk.said
                assert shown == (cookie == a_viewers) and ("Start the digits study" in talk.ids) == shown
                await talk.ask(press=start)                                     # the id that an operator's button has
                await talk.ask(press=talk.ids.get("Start the digits study", start))
                await talk.ask("lab", "new=digits", press=start.replace("start-digits", "start"))
                assert set(store.runs()) == before
                for there in await talk.room():       # Streamlit gives an address to whoever asks
                    assert put(f"{url}{there}") == 403                             # without the token that a page has
                    assert not token(cookie) or put(f"{url}{there}", **{"Cookie": cookie, "X-Xsrftoken": token(cookie)}) == 403
        async with Talk(url, an_operators) as talk:
            await talk.ask()
            [there] = await talk.room()
            assert put(f"{url}{there}") == 403 and put(f"{url}{there}", **{"Cookie": an_operators, "X-Xsrftoken": token(an_operators)}) == 204
            elsewhere = there.rsplit("/", 2)[0] + "/00000000-0000-0000-0000-000000000000/x"
            assert put(f"{url}{elsewhere}", **{"Cookie": an_operators, "X-Xsrftoken": token(an_operators)}) == 400      # of no session
        for origin, host in (("http://evil.example", ""), ("http://evil.example", "evil.example"), ("http://evil.example:80", "127.0.0.1")):
            with pytest.raises(InvalidStatus):                                  # another site's page, also one whose name leads here
                async with Talk(url, an_operators, origin=origin, host=host):
                    pass

    with ThreadPoolExecutor(1) as aside:      # the browser has a loop of its own in this thread
        aside.submit(asyncio.run, by_hand()).result(60)
    assert set(store.runs()) == before


@pytest.mark.parametrize("path", ["/", "/static", "/static/", "/app/static/", "/app/static/../app.py", "/static/../../../../../etc/passwd", "/static/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
                                  "/..%2f..%2f..%2fetc/passwd", "/media/../../etc/passwd", "/media/", "/media/x", "/_stcore/upload_file/", "/component/x/../../etc/passwd", "/component/",
                                  "/_stcore/bidi-components/x/../../app.py", "/app.py", "/.streamlit/secrets.toml", "/.streamlit%2fsecrets.toml", "/static/..%5c..%5capp.py", "//etc/passwd", "/%00", "/data/"])
def test_nothing_of_the_disk_is_served_and_no_folder_listed(where, path):
    """As a client sends it that does not tidy the path up first."""
    host, port = where[0].removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as s:
        s.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        answer = b""
        while part := s.recv(65536):
            answer += part
    for secret in (b"root:", b"client_secret", b"import streamlit", b"cookie_secret", b"Index of", b"Directory listing"):
        assert secret not in answer
    assert answer.startswith((b"HTTP/1.1 200", b"HTTP/1.1 400", b"HTTP/1.1 404", b"HTTP/1.1 403", b"HTTP/1.1 301", b"HTTP/1.1 307"))
    assert not re.search(rb"(?im)^location: *(//|\\|http)", answer)      # nor is anybody led to another host
    if answer.startswith(b"HTTP/1.1 200"):
        assert b"<title>Streamlit</title>" in answer       # the empty page that every address of a page begins with


def test_cookies_and_the_health_of_the_server_say_no_more_than_they_must(where, someone):
    page = someone()
    signing.sign_in(page, where[0], "vera")
    kept = {c["name"]: c for c in page.context.cookies()}
    user = kept["_streamlit_user"]
    assert user["httpOnly"] and user["sameSite"] == "Lax" and "vera@example.org" not in user["value"]
    assert kept["_streamlit_xsrf"]["sameSite"] in ("Lax", "Strict")
    with urllib.request.urlopen(f"{where[0]}/_stcore/host-config", timeout=10) as answer:
        assert "useExternalAuthToken" in json.loads(answer.read()) and "Access-Control-Allow-Origin" not in answer.headers
