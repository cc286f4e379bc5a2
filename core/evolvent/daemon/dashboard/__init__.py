"""The dashboard: pages that a browser shows, over the same functions as the HTTP API.

A page is a module with a `router` (in `ROUTERS`), a template that extends `base.html`, and a line in `PAGES`:

    @router.get("/things", response_class=HTMLResponse)
    @blocking
    def things(request: Request, here: Here, viewer: Looks) -> HTMLResponse:
        return show(request, viewer, "things.html", things=...)

    @router.post("/things/{name}/pin")
    @blocking
    def pin(here: Here, name: str, _: Decides) -> RedirectResponse:
        ...                                  # `Decides` and `Submits` check session, scope, origin and CSRF token
        return back("/things")

What a model or a task wrote goes through `text` of `parts.html`. Forms hold `{{ csrf_field() }}`; buttons are shown
where `viewer.may("admin")` (or `submit`).
"""

from evolvent.daemon.dashboard.answers import answer_problem
from evolvent.daemon.dashboard.wiring import dashboard_router

__all__ = ["answer_problem", "dashboard_router"]
