"""One definition per picture; drawn as SVG for documents and as a Vega-Lite specification for notebooks. No script,
no browser needed."""
