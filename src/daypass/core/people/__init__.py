"""Where people come from: what a forge's team, a directory service or a table says of them, held against the directory."""
