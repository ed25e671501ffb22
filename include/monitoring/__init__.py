"""What watches from outside of Airflow: metrics for Prometheus; and the way of alerts to people, Airflow's and Prometheus'."""
