"""Named data sets, their cleaning rules, and the shop simulator; yields Polars frames in Aisle's own fields."""
