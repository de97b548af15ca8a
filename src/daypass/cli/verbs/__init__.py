"""The verbs, each imported only when it is run: arguments, one call of the pipeline, the result shown."""
