"""What is asked: suites of cases, and attacks that transform them."""
