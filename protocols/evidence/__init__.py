"""Evidence: chains, sealed batches and packages that anyone can check offline.

Pure, and independent of the MQTT contract: the verifier is one file that stands alone.
"""
