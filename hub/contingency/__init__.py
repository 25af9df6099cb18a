"""Contingency cases: opened by faults, timed by the policy pack, decided by named persons."""
