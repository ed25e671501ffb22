"""What watches from outside of Airflow: metrics for Prometheus, and its alerts on their way to people."""
