"""The entry-time rules ET-01 to ET-13 as pure functions of transaction, message, stay and time."""
