"""Daily budgets: counted, reserved, shown, and kept across restarts."""
