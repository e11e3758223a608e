"""Models trained from the page: forms, and fits in processes of their own."""
