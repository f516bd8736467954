"""Answers for an agent on call, over the Model Context Protocol."""
