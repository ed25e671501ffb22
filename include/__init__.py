"""What two or more of dags/, plugins/, tasks/ and cli/ share, and the team's YAML."""
