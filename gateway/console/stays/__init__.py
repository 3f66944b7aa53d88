"""住院: the list of patients, one stay whole, and what people do about it."""
