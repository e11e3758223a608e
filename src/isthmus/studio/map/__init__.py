"""The map of a run: places of its points, colours, and the prior's contours."""
