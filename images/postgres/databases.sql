-- When the volume is new: the databases beside Airflow's. Each keeps its own migrations.
CREATE DATABASE mlflow;
CREATE DATABASE label_studio;
