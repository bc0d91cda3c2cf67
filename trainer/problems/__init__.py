"""What problems share, and problems that are shipped beside the one in `trainer/model.py`."""
