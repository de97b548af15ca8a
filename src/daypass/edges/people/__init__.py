"""Where people are read from that is no forge: tables, and directory services that speak SCIM."""
