"""Who a pull request is about at GitHub: those who asked for it, and those who are asked to review it."""
