"""The target ``postgres``: roles, privileges and logins at a PostgreSQL server."""
