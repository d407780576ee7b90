"""What this project costs, against what others cost for the same."""
