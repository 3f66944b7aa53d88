"""An inpatient stay: what happened to it, and what follows from that. Nothing about a stay is set by hand."""
