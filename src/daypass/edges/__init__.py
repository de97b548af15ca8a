"""The world: git repositories, forges, targets. Implements the ports; decides nothing."""
