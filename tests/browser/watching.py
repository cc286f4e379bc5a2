"""A page with all that must not happen in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import CDPSession, Page

AXE = Path(__file__).parent / "assets" / "axe.min.js"


class Watched:
    """A page of a browser; collects errors of the console, breaches of the policy, dialogs and strange requests.

    Args:
        page: of a context of its own.
        url: of the daemon.
        pictures: where screenshots go.
    """

    def __init__(self, page: Page, url: str, pictures: Path) -> None:
        self.page, self.url = page, url
        self._pictures = pictures
        self.faults: list[str] = []
        self._session: CDPSession | None = None
        self.away = False
        """Whether the daemon is stopped on purpose: what cannot be reached then is no fault."""
        page.on("console", lambda message: self._said(message.type, message.text))
        page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        page.on("request", lambda request: self._asked(request.url))
        page.on("dialog", lambda dialog: (self.faults.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.add_init_script(
            "document.addEventListener('securitypolicyviolation', e =>"
            " console.error(`policy: ${e.violatedDirective} ${e.blockedURI}`))"
        )

    def go(self, path: str) -> None:
        self.page.goto(f"{self.url}{path}")

    def scripts(self, run: bool) -> None:
        """Let pages run scripts, or not; a page that was loaded without stays as it is when they may again."""
        if self._session is None:
            self._session = self.page.context.new_cdp_session(self.page)
        self._session.send("Emulation.setScriptExecutionDisabled", {"value": not run})

    def unfold(self) -> None:
        """Show what is folded away."""
        self.page.evaluate("() => { for (const e of document.querySelectorAll('details')) e.open = true }")

    def picture(self, name: str) -> None:
        self.page.screenshot(path=str(self._pictures / f"{name}.png"), full_page=True)

    def violations(self) -> list[str]:
        """Return what axe finds that is serious or critical. The context must bypass the policy."""
        self.page.evaluate(AXE.read_text())
        found: dict[str, Any] = self.page.evaluate("() => axe.run(document, {resultTypes: ['violations']})")
        return [
            f"{one['id']}: {node['target']} {node.get('failureSummary', '')}"
            for one in found["violations"]
            if one["impact"] in ("serious", "critical")
            for node in one["nodes"]
        ]

    def check(self) -> None:
        assert self.faults == []

    def _said(self, kind: str, text: str) -> None:
        if kind in ("error", "warning") and not self.away:
            self.faults.append(f"{kind}: {text}")

    def _asked(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("data", "about", "blob", "file") and parts.hostname != "127.0.0.1":
            self.faults.append(f"request: {url}")
