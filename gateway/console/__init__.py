"""The web console for staff: Starlette, Jinja2, htmx. How to add a page: docs/inside/console.md."""
