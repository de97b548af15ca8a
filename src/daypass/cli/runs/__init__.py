"""What verbs that change targets have in common: how a run begins, is told, and goes on without the remote."""
