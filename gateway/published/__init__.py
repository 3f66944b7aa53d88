"""Files that are generated from the mappings and checked for drift."""
