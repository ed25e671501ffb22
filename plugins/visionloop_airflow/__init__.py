"""What Airflow itself must know: how a step is run, watched, linked to and looked at."""
