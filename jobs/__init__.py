"""What runs on a schedule: each job is one function, the schedule is configuration (design)."""
