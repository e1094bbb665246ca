"""From sufficient statistics to estimates: values, limits at any level, or the reason why there is none."""
