"""Problems as a browser shows them: on a page, or by the way to the login."""

from __future__ import annotations

from urllib.parse import quote

from fastapi import Request
from fastapi.responses import Response

from evolvent.daemon.api.problems import Problem, problem_response
from evolvent.daemon.dashboard.rendering import back, show

__all__ = ["answer_problem"]


def answer_problem(request: Request, problem: Problem) -> Response:
    """Answer a request with a problem: programs get it as JSON, people as a page."""
    if request.url.path.startswith("/api/") or "text/html" not in request.headers.get("accept", "text/html"):
        if problem.status == 401 and "hx-request" in request.headers:
            problem.headers["HX-Redirect"] = "/login"
        return problem_response(problem)
    if problem.status == 401 and request.method == "GET":
        path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return back("/login" if path == "/" else f"/login?next={quote(path, safe='/')}")
    answer = show(request, None, "problem.html", problem.status, problem=problem.body)
    answer.headers.update(problem.headers)
    return answer
