"""Files that pass between the institution and the platform: kept, opened safely, written in the national layout."""
