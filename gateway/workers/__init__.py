"""Worker processes: what they are told, what they tell, and how they share the work."""
