"""Detector families behind one interface: the small centre-point detector and RT-DETRv2."""
