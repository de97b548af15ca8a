"""GitHub, as an App, a workflow or a person calls it: access, one way to send, and what answers mean."""
