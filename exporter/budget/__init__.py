"""Daily budgets: counts and reserves the spend, shows it, and keeps it across restarts."""
