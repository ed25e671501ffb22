"""Where labels are made: a connector for each kind of source. include/labelling/connector.py is their contract."""
