"""The docs site, for Sphinx; `docs/build.py` runs it. It loads nothing from another host."""

from __future__ import annotations

from importlib.metadata import version as version_of

project = "PANOPTES network"
version = release = version_of("panoptes-network")
extensions = ["myst_parser", "sphinx.ext.autodoc"]

# Headings are linked to as GitHub does it, and links that lead nowhere end the build.
myst_heading_anchors = 4

# A docstring's `name` is code, as in Markdown.
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
suppress_warnings = ["ref.python"]  # a type's name in a signature may be that of two classes
python_use_unqualified_type_names = True
add_module_names = False

html_theme = "furo"
html_title = project
html_copy_source = False
html_show_copyright = False
highlight_language = "none"
