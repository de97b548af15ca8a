"""Pure decisions: no file, socket, clock, environment or randomness. Read the modules in the order that data flows."""
