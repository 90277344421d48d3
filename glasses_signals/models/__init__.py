"""Models as data: manifests, their one-time build into ONNX, and the sessions that run them."""
