"""The target ``github``: membership in teams, repositories' collaborators, and the roles of one organisation."""
