"""What people see in a browser, made on the server: the same addresses, in HTML.

A page is a function that gathers its data, a template of ``templates``, and a route on a
router of `negotiation.HtmlRoute`, which is passed by where no HTML is wanted::

    router = APIRouter(route_class=HtmlRoute, include_in_schema=False)

    @router.get("/sky")
    def sky_page(request: Request) -> Response:
        return pages.render(request, "sky.html", places=places(services.site))

Forms are posted to plain routes: see `forms` and `sessions.Sessions.operator`.
"""
