"""What the record itself says somebody must look at: alarms of the hub, one way for all of them."""
