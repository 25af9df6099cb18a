"""Appraisal, hand-over packages, their verification, receipts and deadlines."""
