"""The pages: the record as anyone may read it in a browser, each page with its JSON twin. Works without JavaScript."""
