"""For maintainers: set-up, commands, and the runners of notebooks. Lessons import none of it."""
