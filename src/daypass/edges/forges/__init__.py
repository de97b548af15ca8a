"""Where pull requests live: a folder for each kind of forge."""
